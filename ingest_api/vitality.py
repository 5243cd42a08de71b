"""What the door asks of the parts behind it: Kafka, the workers, the warehouse."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from ingest_api.probes import Health, Probe, Probes
from pipeline.clock import Clock
from pipeline.kafka.group import GroupWatch, Standing
from pipeline.settings import KafkaSettings
from pipeline.warehouse.reader import Reader
from schemas.catalogue import WORKERS_GROUP
from schemas.clustering.topics import OBSERVED

STALLED_SECONDS = 15.0
PATIENCE_SECONDS = 3.0


class Workers:
    """Healthy: the group has members, is stable, and commits while there is something to commit.

    A dead worker with static membership stays a member until its session ends, so members alone prove nothing: with
    records waiting, what is committed must move within STALLED_SECONDS.
    """

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._committed = -1
        self._waiting_since: float | None = None

    def judge(self, standing: Standing) -> Health:
        """By this standing and those before it, however long ago."""
        committed = sum(standing.committed.values())
        if standing.lag == 0:
            self._waiting_since = None
        elif committed != self._committed or self._waiting_since is None:
            self._waiting_since = self._monotonic()
        self._committed = committed
        if not standing.members:
            return Health.UNHEALTHY
        stalled = self._waiting_since is not None and self._monotonic() - self._waiting_since > STALLED_SECONDS
        return Health.DEGRADED if stalled or not standing.stable else Health.HEALTHY


def probes(settings: KafkaSettings, reader: Reader, clock: Clock) -> Probes:
    """`log`, `database` and `algorithm`, as /health lists them. Without the log nothing can be taken."""
    watch = GroupWatch(settings, WORKERS_GROUP, OBSERVED.name, settings.partitions)
    workers = Workers()

    async def log() -> Health:
        await asyncio.to_thread(watch.reach)
        return Health.HEALTHY

    async def database() -> Health:
        await reader.ping()
        return Health.HEALTHY

    async def algorithm() -> Health:
        return workers.judge(await asyncio.to_thread(watch.standing))

    asked = (Probe("log", log, essential=True), Probe("database", database), Probe("algorithm", algorithm))
    return Probes(asked, clock, patience=PATIENCE_SECONDS)
