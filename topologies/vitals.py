"""A worker reports that it is alive, and which partitions it holds (the operations domain's topic).

Kafka's own word on the members of a group comes late: a member with static membership that was killed stays one until
its session ends.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
from collections.abc import Mapping, Sequence

import faust

from pipeline.errors import Failure
from schemas.operations.topics import VITALS
from schemas.operations.vitals import REPORT_SECONDS, VitalsReported
from topologies.readiness import is_ready
from topologies.site import Site

LOOK_SECONDS = 1.0
log = logging.getLogger(__name__)


class Vitals:
    """Reports every `REPORT_SECONDS`, and within `LOOK_SECONDS` what has changed."""

    def __init__(self, apps: Sequence[faust.App], sites: Sequence[Site]) -> None:
        """`sites`: of the apps, in their order. The first one's producer sends the reports."""
        self._apps, self._sites, self._site = apps, sites, sites[0]
        self._host, self._started_at = socket.gethostname(), self._site.clock()
        self._told: VitalsReported | None = None
        self._ending = False

    async def run(self) -> None:
        """For ever."""
        while not self._ending:
            self.report()
            await asyncio.sleep(LOOK_SECONDS)

    async def end(self) -> None:
        """The last report: nobody need wait until the ones before it are too old."""
        self._ending = True
        self._send(self._vitals(False, {}))

    def report(self) -> None:
        """Sends what there is to say, if anything is due. Of a domain whose partitions move or whose states are
        recovered, nothing is held."""
        told = self._told
        working = [(app, site) for app, site in zip(self._apps, self._sites, strict=True) if is_ready(app)]
        assigned = {topic: numbers for app, site in working for topic, numbers in held(app, site).items()}
        vitals = self._vitals(bool(working), assigned)
        news = told is None or _news_of(vitals) != _news_of(told)
        if told is None or news or vitals.reported_at - told.reported_at >= REPORT_SECONDS * 1_000_000:
            self._send(vitals)

    def _vitals(self, ready: bool, assigned: Mapping[str, list[int]]) -> VitalsReported:
        name, now = self._site.settings.name, self._site.clock()
        forged = self._site.forgeries
        process = name, self._host, os.getpid(), self._started_at
        return VitalsReported(*process, now, ready, assigned, forged.count, forged.last_at)

    def _send(self, vitals: VitalsReported) -> None:
        """Not awaited: where the log is away, a later report says the same."""
        try:
            self._site.producer().send(VITALS.name, self._site.codec.encode(vitals), key=vitals.key.encode())
        except Failure as failure:
            log.warning("this worker's vitals are not reported: %s", failure)
        self._told = vitals


def _news_of(vitals: VitalsReported) -> tuple[object, ...]:
    return vitals.ready, vitals.assigned, vitals.forged


def held(app: faust.App, site: Site) -> dict[str, list[int]]:
    """Partitions of the topics that the domain reads, as they are assigned now."""
    assigned: dict[str, list[int]] = {topic: [] for topic in site.topics}
    for place in app.consumer.assignment():
        if place.topic in assigned:
            assigned[place.topic].append(place.partition)
    return {topic: sorted(partitions) for topic, partitions in assigned.items() if partitions}
