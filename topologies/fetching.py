"""A Faust consumer's fetches: whatever Kafka's client gives is handed on, or asked for again."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Mapping, Sequence
from typing import Any, cast

import faust
from aiokafka.errors import IllegalStateError
from faust.transport.drivers.aiokafka import AIOKafkaConsumerThread, Consumer
from faust.types import TP, TransportT

from topologies.custody import Custody
from topologies.tables import Tables

log = logging.getLogger(__name__)

HOLD_SECONDS = 0.002
IDLE_SECONDS = 0.02
RECOVERY_SECONDS = 5.0
FETCH_SECONDS = 0.1
MOST_WAITING = 4
"""Fetches of changelogs that wait to be taken in."""


class CommittedReader(AIOKafkaConsumerThread):
    """The thread that has Kafka's client, which reads committed records only. Stock Faust asks for these where it
    writes in transactions itself; what another's aborted transaction wrote it would take for said."""

    def _create_worker_consumer(self, transport: Any) -> Any:
        client = super()._create_worker_consumer(transport)
        client._isolation_level = "read_committed"  # noqa: SLF001
        return client


class Fetching(Consumer):
    """`_fetch` brings records, `_custody.handed` is told of what was handed on, and before each fetch
    `_until_nothing_is_missing` is awaited."""

    def __init__(self, transport: TransportT, *args: Any, **kwargs: Any) -> None:
        super().__init__(transport, *args, **kwargs)
        self._custody = Custody()

    def _new_consumer_thread(self) -> AIOKafkaConsumerThread:
        return CommittedReader(self, loop=self.loop, beacon=self.beacon)

    @property
    def _tables(self) -> Tables:
        return cast(Tables, self.app.tables)

    @faust.Service.task
    async def _watch_recovery(self) -> None:
        """For the losses we do not know of: a recovery that waits for records of a changelog asks for them again."""
        last: dict[TP, int] = {}
        while not self.should_stop:
            await self.sleep(RECOVERY_SECONDS)
            recovery = self._tables.recovery
            reached = dict(recovery.active_offsets)
            waits = {tp for tp, count in recovery.active_remaining().items() if count > 0}
            if recovery.in_recovery and self.flow_active and waits and reached == last:
                log.warning(
                    "recovery stands still: %s", ", ".join(f"{tp.topic}-{tp.partition}" for tp in sorted(waits))
                )
                self._custody.took(self._custody.fetch(), waits)
            last = reached

    async def _until_nothing_is_missing(self) -> None:
        """And until the flow is resumed."""
        while not (self.should_stop or (self.flow_active and await self._ask_again())):
            if not self.flow_active:
                await self.wait(cast(Any, self.can_resume_flow))

    def _goes_on(self, generation: int) -> bool:
        return self.flow_active and not self.should_stop and self.app.consumer_generation_id == generation

    def _is_wanted(self, tp: TP) -> bool:
        return tp in self._get_active_partitions() or tp in self._buffered_partitions

    async def _until_taken_in(self) -> None:
        queue = self._tables.changelog_queue
        while queue.qsize() > MOST_WAITING and self.flow_active and not self.should_stop:  # noqa: ASYNC110
            await asyncio.sleep(HOLD_SECONDS)  # nor has a queue one that tells of its size

    async def _fetch(self, timeout: float) -> tuple[int, Mapping[TP, Sequence[Any]]]:
        """A fetch's number, and what it brought within about that time. Faust hands its thread the very set that it
        pauses and resumes partitions in, and aiokafka takes an empty one for all there are: so each fetch has a set of
        its own, and is short, since a partition that is resumed meanwhile is not in it."""
        until = time.monotonic() + timeout
        while True:
            fetch, active = self._custody.fetch(), frozenset(self._get_active_partitions())
            if active:
                records = await self._thread.call_thread(self._take, fetch, active)
                if records:
                    return fetch, records
            else:
                await asyncio.sleep(IDLE_SECONDS)
            if not self.flow_active or self.should_stop or time.monotonic() > until:
                return fetch, {}

    async def _take(self, fetch: int, active: frozenset[TP]) -> Mapping[TP, Sequence[Any]]:
        """In the client's thread; who asked for it may have been cancelled."""
        thread = cast(Any, self._thread)
        client = thread._ensure_consumer()  # noqa: SLF001
        most = client._max_poll_records  # noqa: SLF001
        records = await thread._fetch_records(client, active, timeout=FETCH_SECONDS, max_records=most)  # noqa: SLF001
        self._custody.took(fetch, {TP(*place) for place in records})
        return cast(Mapping[TP, Sequence[Any]], records)

    async def _ask_again(self) -> bool:
        """For what was taken and not handed on. False: the partitions may have changed meanwhile, so ask once more."""
        outstanding, generation = self._custody.outstanding(), self.app.consumer_generation_id
        for tp in set().union(*outstanding.values()):
            offset = self._next_of(tp) if tp in self.assignment() else None
            if offset is not None:
                log.info("%s: what was fetched could not be taken in; reading on from %s", tp, offset)
                await self._seek_if_assigned(tp, offset)
                if not self._goes_on(generation):
                    return False
        self._custody.settle(outstanding)
        return True

    def _next_of(self, tp: TP) -> int | None:
        """The offset behind what was handed on; None where a seek is to come anyway. For changelogs, that is behind
        what recovery has."""
        return max(0, self._tables.recovery.active_offsets.get(tp, -1) + 1)

    async def _seek_if_assigned(self, tp: TP, offset: int) -> None:
        try:
            await self.seek_wait({tp: offset})
        except IllegalStateError as error:
            log.info("%s is not ours any more: %s", tp, error)
