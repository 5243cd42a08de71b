"""The accounts in a run: their clients while it lasts, and what is left of them when all is quiet."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import replace

import httpx

from pipeline.warehouse.connection import Connection
from tests.flow.campaign.commands import command
from tests.flow.campaign.deeds import Deeds
from tests.flow.campaign.estate import OWNER, Estate, Shown, audit_of, shown_by, survey, to_show
from tests.flow.campaign.parts import System
from tests.flow.campaign.people import ADMINISTRATORS, PERSONS, Office, administer, live

SEEN_SECONDS = 15.0
AUDITED_SECONDS = 60.0
Until = Callable[[Callable[[], int], float], Awaitable[int]]


class Accounts:
    """`run` loads until `stop`; then every client brings what it has begun to its end."""

    def __init__(self, system: System, seed: int) -> None:
        self._system, self._seed = system, seed
        self.deeds = Deeds()
        self._office = Office(system.urls, self.deeds, random.Random(seed))
        self._stopping = asyncio.Event()

    async def open(self) -> None:
        await self._office.open()

    async def run(self) -> None:
        async with asyncio.TaskGroup() as clients:
            for number in range(ADMINISTRATORS):
                clients.create_task(administer(self._office, self._seed * 100 + number, self._stopping))
            for number in range(len(PERSONS)):
                clients.create_task(live(self._office, self._seed * 300 + number, self._stopping))
            clients.create_task(command(self._system.kafka, self.deeds, self._seed, self._stopping, OWNER))

    def stop(self) -> None:
        self._stopping.set()

    async def estate(self, until: Until) -> Estate:
        """Once the audit is archived and the API processes have seen the last; as it is after some patience."""
        estate = await asyncio.to_thread(survey, self._system.kafka)
        connection = Connection(self._system.tables)
        wanted = len(estate.oracle.audits)

        def missing() -> int:
            sql = "SELECT uniqExact(source_offset) FROM audit WHERE source_offset IS NOT NULL"
            return wanted - int(connection.rows(sql)[0][0])

        try:
            await until(missing, AUDITED_SECONDS)
            audit = await asyncio.to_thread(audit_of, connection)
        finally:
            connection.close()
        shown = {url: await self._shown(url, to_show(estate.oracle)) for url in self._system.urls}
        return replace(estate, audit=audit, shown=shown)

    async def _shown(self, url: str, wanted: Shown) -> Shown:
        shown: Shown = {}
        deadline = time.monotonic() + SEEN_SECONDS
        while shown != wanted and time.monotonic() < deadline:
            with suppress(httpx.HTTPError):
                shown = await shown_by(url, self._office.token)
            await asyncio.sleep(0.2)
        return shown
