"""Putting a work into a Faust app: its inputs, its table, an agent for each input, its pulse, and what it does before
it gives up a partition."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any, TypeVar, cast

import faust

from pipeline.step import Processor
from schemas.catalogue import changelog_of, state_of
from schemas.state import State
from schemas.topic import Topic
from topologies.checkpoint import Checkpoint
from topologies.engine import FaustEngine
from topologies.merge import Merge
from topologies.partition import Engine, Work
from topologies.sequence import KafkaSequence
from topologies.site import Site
from topologies.snapshots import SnapshotTable
from topologies.trust import Trust

M = TypeVar("M")
S = TypeVar("S")


def attach_processor(app: faust.App, site: Site, processor: Processor[S]) -> None:
    """A state with several inputs or with timers."""
    state = processor.state

    def work(engine: Engine) -> Merge[S]:
        sequence = KafkaSequence(site.settings.kafka, site.producer, site.codec, state.sequence)
        breath = site.settings.rhythm.breath_seconds
        return Merge(processor, engine, site.deliver(), site.codec, site.placement, sequence, site.clock, breath)

    attach_state(app, site, state, work)


def attach_work(app: faust.App, site: Site, topic: Topic, work: Callable[[Engine], Work[M]]) -> None:
    """A state with one input, and without timers. `work` is called once, inside the worker's loop."""
    attach_state(app, site, State(state_of(topic), (topic,)), work)


def attach_state(app: faust.App, site: Site, state: State, work: Callable[[Engine], Work[M]]) -> None:
    """`work` is called once, inside the worker's loop."""
    partitions = state.partitions or site.settings.kafka.partitions
    # A changelog's message stands for many records already: none need be gathered before they are applied.
    made = app.Table(state.name, partitions=partitions, key_type=bytes, value_type=bytes, recovery_buffer_size=1)
    table, inputs = cast(SnapshotTable, made), {topic.name for topic in state.inputs}
    if any(topic.signed for topic in state.inputs):
        table.trust = Trust(site.settings.signatures, site.forgeries)
    site.topics.extend(topic.name for topic in state.inputs)

    @cache
    def checkpoint() -> Checkpoint[M]:
        engine = FaustEngine(app, table, changelog_of(state.name), site.producer, inputs)
        return Checkpoint(work(engine), engine, site.die, site.settings.rhythm)

    async def agent(stream: Any) -> None:
        async for event in stream.noack().events():
            await checkpoint().take(event)

    for topic in state.inputs:
        channel = app.topic(topic.name, partitions=partitions, key_serializer="raw", value_serializer="raw")
        app.agent(channel, name=state_of(topic), concurrency=1)(agent)

    async def pulse() -> None:
        await checkpoint().pulse()

    app.task(pulse)

    async def flush() -> None:
        await checkpoint().flush()

    site.flushes.append(flush)
