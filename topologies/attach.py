"""Putting a work into a Faust app: its input, its table, its agent, its pulse, and what it does before it gives up a
partition."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any, TypeVar, cast

import faust

from schemas.catalogue import changelog, state_of
from schemas.topic import Topic
from topologies.checkpoint import Checkpoint
from topologies.engine import FaustEngine
from topologies.partition import Engine, Work
from topologies.site import Site
from topologies.snapshots import SnapshotTable
from topologies.trust import Trust

M = TypeVar("M")


def attach_work(app: faust.App, site: Site, topic: Topic, work: Callable[[Engine], Work[M]]) -> None:
    """`work` is called once, inside the worker's loop."""
    name, partitions = state_of(topic), topic.partitions or site.settings.kafka.partitions
    channel = app.topic(topic.name, partitions=partitions, key_serializer="raw", value_serializer="raw")
    # A changelog's message stands for many records already: none need be gathered before they are applied.
    made = app.Table(name, partitions=partitions, key_type=bytes, value_type=bytes, recovery_buffer_size=1)
    table = cast(SnapshotTable, made)
    if topic.signed:
        table.trust = Trust(site.settings.signatures, site.forgeries)
    site.topics.append(topic.name)

    @cache
    def checkpoint() -> Checkpoint[M]:
        engine = FaustEngine(app, table, changelog(topic), site.producer, {topic.name})
        return Checkpoint(work(engine), engine, site.die, site.settings.rhythm)

    @app.agent(channel, name=name, concurrency=1)
    async def agent(stream: Any) -> None:
        async for event in stream.noack().events():
            await checkpoint().take(event)

    async def pulse() -> None:
        await checkpoint().pulse()

    app.task(pulse)

    async def flush() -> None:
        await checkpoint().flush()

    site.flushes.append(flush)
