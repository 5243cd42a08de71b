"""What the door asks of the parts behind it: Kafka, the workers, the warehouse."""

from __future__ import annotations

import asyncio
import time

from ingest_api.clustering.streams import Streams
from ingest_api.probes import Health, Probe, Probes
from pipeline.clock import Clock
from pipeline.kafka.group import GroupWatch, Standing
from pipeline.settings import KafkaSettings
from pipeline.warehouse.reader import Reader
from schemas.catalogue import WORKERS_GROUP
from schemas.clustering.topics import OBSERVED

STALLED_SECONDS = 15.0


class Workers:
    """Healthy: the group has members, is stable, and commits while there is something to commit."""

    def __init__(self, settings: KafkaSettings) -> None:
        self._watch = GroupWatch(settings, WORKERS_GROUP, OBSERVED.name, settings.partitions)
        self._committed: int | None = None
        self._moved_at = time.monotonic()

    async def log(self) -> Health:
        """Whether Kafka answers."""
        await asyncio.to_thread(self._watch.standing)
        return Health.HEALTHY

    async def algorithm(self) -> Health:
        return self._judge(await asyncio.to_thread(self._watch.standing))

    def _judge(self, standing: Standing) -> Health:
        committed = sum(standing.committed.values())
        if committed != self._committed or standing.lag == 0:
            self._committed, self._moved_at = committed, time.monotonic()
        if not standing.members:
            return Health.UNHEALTHY
        stalled = time.monotonic() - self._moved_at > STALLED_SECONDS
        return Health.DEGRADED if stalled or not standing.stable else Health.HEALTHY


def probes(settings: KafkaSettings, streams: Streams, reader: Reader, clock: Clock) -> Probes:
    """`log`, `database` and `algorithm`, as /health lists them. Without the log nothing can be taken."""
    workers = Workers(settings)

    async def log() -> Health:
        health = await workers.log()
        return health if streams.ready else Health.DEGRADED

    async def database() -> Health:
        await reader.ping()
        return Health.HEALTHY

    asked = (
        Probe("log", log, essential=True),
        Probe("database", database),
        Probe("algorithm", workers.algorithm),
    )
    return Probes(asked, clock, patience=3.0)
