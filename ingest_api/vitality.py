"""What the API asks of the parts behind it: Kafka, the workers, the warehouse."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from ingest_api.alarms import Alarms
from ingest_api.probes import Health, Probe, Probes
from pipeline.clock import Clock
from pipeline.kafka.group import GroupWatch, Standing, places_of
from pipeline.kafka.member import Place
from pipeline.kafka.view import Shelf
from pipeline.settings import KafkaSettings
from pipeline.warehouse.reader import Reader
from schemas.catalogue import INPUTS, group_of
from schemas.operations.vitals import REPORT_SECONDS, VitalsReported

SILENT_SECONDS = 3 * REPORT_SECONDS
"""A worker that has not reported for so long is taken for dead."""
STALLED_SECONDS = 15.0
WORKER = "worker-"
"""So their names begin; other processes report as well."""
PATIENCE_SECONDS = 3.0
COMPONENTS = {"clustering": "algorithm"}
"""Domains whose workers /health calls by another name, as its clients know it."""


@dataclass(frozen=True, slots=True)
class Heard:
    """A process's last report, and when it came, by this process's own monotonic clock."""

    vitals: VitalsReported
    at: float


class Workers:
    """Healthy: every partition that has a state is held by a worker that reports, and what is committed moves while
    there is something to commit.

    Reports alone prove nothing, for a worker may hang beside its event loop: with records waiting, what is committed
    must move within STALLED_SECONDS. Commits alone prove nothing, for there may be nothing to commit.
    """

    def __init__(self, places: Iterable[Place], clock: Clock, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._places = frozenset(places)
        self._clock, self._monotonic = clock, monotonic
        self._heard: dict[str, Heard] = {}
        self._caught_up = False
        self._committed = -1
        self._waiting_since: float | None = None

    def hear(self, key: str, vitals: VitalsReported | None) -> None:
        """What is read of the past when this process starts is as old as it says; what comes later is news, whatever
        the clock of its host."""
        if vitals is not None and not vitals.process.startswith(WORKER):
            return
        now = self._monotonic()
        age = 0.0 if vitals is None or self._caught_up else max(0.0, (self._clock() - vitals.reported_at) / 1e6)
        self._heard = {name: heard for name, heard in self._heard.items() if now - heard.at <= SILENT_SECONDS}
        self._heard.pop(key, None)
        if vitals is not None and age <= SILENT_SECONDS:
            self._heard[key] = Heard(vitals, now - age)

    def caught_up(self) -> None:
        """What is heard from now on is said now."""
        self._caught_up = True

    @property
    def alive(self) -> Mapping[str, VitalsReported]:
        """The last reports of those that are not silent."""
        now = self._monotonic()
        return {key: heard.vitals for key, heard in self._heard.items() if now - heard.at <= SILENT_SECONDS}

    def judge(self, standing: Standing) -> Health:
        """By this standing and those before it, however long ago."""
        stalled = self._stalled(standing)
        ready = [vitals for vitals in self.alive.values() if vitals.ready]
        if not ready:
            return Health.UNHEALTHY
        held = {(topic, number) for vitals in ready for topic, numbers in vitals.assigned.items() for number in numbers}
        return Health.HEALTHY if self._places <= held and not stalled else Health.DEGRADED

    def _stalled(self, standing: Standing) -> bool:
        committed = sum(standing.committed.values())
        if standing.lag == 0:
            self._waiting_since = None
        elif committed != self._committed or self._waiting_since is None:
            self._waiting_since = self._monotonic()
        self._committed = committed
        return self._waiting_since is not None and self._monotonic() - self._waiting_since > STALLED_SECONDS


@dataclass(frozen=True)
class WorkersPart:
    """Listens to the workers' reports, from the moment the shelf has what the log had of them."""

    workers: Mapping[str, Workers]
    name: str = "workers"

    async def start(self) -> None:
        for each in self.workers.values():
            each.caught_up()

    async def stop(self) -> None:
        """Nothing was opened."""


def places(settings: KafkaSettings, domain: str) -> list[Place]:
    """The partitions that the domain's workers keep a state of."""
    return places_of(settings, INPUTS[domain])


def workers_of(settings: KafkaSettings, shelf: Shelf[VitalsReported], clock: Clock) -> Mapping[str, Workers]:
    """By domain. They hear what the shelf holds."""
    workers = {domain: Workers(places(settings, domain), clock) for domain in INPUTS}
    for each in workers.values():
        shelf.watch(each.hear)
    return workers


def probes(
    settings: KafkaSettings, workers: Mapping[str, Workers], alarms: Alarms, reader: Reader, clock: Clock
) -> Probes:
    """`log`, `database` and each domain's workers, as /health lists them. Without the log nothing can be taken."""
    watches = {domain: GroupWatch(settings, group_of(domain), places(settings, domain)) for domain in workers}

    async def log() -> Health:
        await asyncio.to_thread(next(iter(watches.values())).reach)
        return alarms.judge()

    async def database() -> Health:
        await reader.ping()
        return Health.HEALTHY

    def domain_probe(domain: str) -> Probe:
        async def judge() -> Health:
            return workers[domain].judge(await asyncio.to_thread(watches[domain].standing))

        return Probe(COMPONENTS.get(domain, domain), judge)

    asked = (Probe("log", log, essential=True), Probe("database", database), *map(domain_probe, workers))
    return Probes(asked, clock, patience=PATIENCE_SECONDS)
