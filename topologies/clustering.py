"""The clustering street: points.observed.v1 through `pipeline.clustering.cluster` to what its outcomes name."""

from __future__ import annotations

from functools import cache
from typing import Any, cast

import faust

from pipeline.clustering.adaptive.engine import warm
from pipeline.clustering.cluster import Cluster
from pipeline.clustering.state import StreamState
from pipeline.telemetry import Meter
from schemas.catalogue import changelog, state_of
from schemas.clustering.topics import OBSERVED
from topologies.apply import Apply, States
from topologies.checkpoint import Checkpoint
from topologies.engine import FaustEngine
from topologies.site import Site
from topologies.snapshots import SnapshotTable


def attach(app: faust.App, site: Site) -> None:
    """Loads the learner's compiled kernel first, a second's work: later it would hold up heartbeats and a batch."""
    warm()
    partitions = site.settings.kafka.partitions
    topic = app.topic(OBSERVED.name, partitions=partitions, key_serializer="raw", value_serializer="raw")
    table = cast(
        SnapshotTable,
        app.Table(state_of(OBSERVED), partitions=partitions, key_type=bytes, value_type=bytes, recovery_buffer_size=32),
    )
    site.topics.append(OBSERVED.name)

    @cache
    def checkpoint() -> Checkpoint[States[StreamState]]:
        step = Cluster(Meter(site.settings.name, site.clock), site.clock)
        engine = FaustEngine(app, table, changelog(OBSERVED), site.producer)
        rhythm = site.settings.rhythm
        work = Apply(step, engine, site.deliver(), site.codec, site.placement, rhythm.breath_seconds)
        return Checkpoint(work, engine, site.die, rhythm)

    @app.agent(topic, name="clustering", concurrency=1)
    async def cluster(stream: Any) -> None:
        async for event in stream.noack().events():
            await checkpoint().take(event)

    async def pulse() -> None:
        await checkpoint().pulse()

    app.task(pulse)

    async def flush() -> None:
        await checkpoint().flush()

    site.flushes.append(flush)
