"""A compacted topic as a dict: the newest of every key, whoever says things twice."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial

import pytest

from pipeline.kafka.browse import ends
from pipeline.kafka.producer import Producer
from pipeline.kafka.record import Record
from pipeline.kafka.view import Shelf, View
from pipeline.settings import KafkaSettings
from schemas.clustering.clusters import ClustersUpdated
from schemas.clustering.topics import CLUSTERS
from schemas.codec import Codec
from schemas.exchange import SOURCE_HEADER
from schemas.operations.topics import VITALS
from schemas.operations.vitals import VitalsReported
from schemas.position import Position
from tests.pipeline.kafka.topics import Topics, until
from tests.schemas.samples import SAMPLES

CODEC = Codec()
SAMPLE = next(it for it in SAMPLES if isinstance(it, ClustersUpdated))


class Writer:
    """Writes the clusters of streams as a worker does."""

    def __init__(self, producer: Producer, topic: str) -> None:
        self._producer, self._topic = producer, topic

    async def tell(self, stream: str, offset: int) -> None:
        value = CODEC.encode(replace(SAMPLE, stream=stream, source_offset=offset))
        await self._producer.send(self._topic, value, key=stream.encode())

    async def bury(self, stream: str, offset: int | None) -> None:
        headers = None if offset is None else {SOURCE_HEADER: str(Position("points.observed.v1", 0, offset)).encode()}
        await self._producer.send(self._topic, None, key=stream.encode(), headers=headers)

    async def raw(self, stream: str, value: bytes) -> None:
        await self._producer.send(self._topic, value, key=stream.encode())


@pytest.fixture
async def writer(kafka: KafkaSettings, topic: str) -> AsyncIterator[Writer]:
    producer = Producer(kafka, "test")
    yield Writer(producer, topic)
    await producer.close()


@asynccontextmanager
async def viewed(kafka: KafkaSettings, topic: str) -> AsyncIterator[View[ClustersUpdated]]:
    view = View(
        kafka, "test", replace(CLUSTERS, name=topic), ClustersUpdated, CODEC, order=lambda entry: entry.source_offset
    )
    try:
        await view.start(3)
        yield view
    finally:
        await view.stop()


def offsets(view: View[ClustersUpdated]) -> dict[str, int]:
    return {stream: entry.source_offset for stream, entry in view.entries.items()}


def test_a_process_that_has_not_reported_for_an_hour_is_held_no_more() -> None:
    """Each new host is a new key: of what the log keeps an hour, no more is kept here."""
    shelf = Shelf(VITALS, VitalsReported, CODEC)
    gone: list[str] = []
    shelf.watch(lambda key, entry: gone.append(key) if entry is None else None)
    hour = int(VITALS.retention.total_seconds() * 1000)

    def report(host: str, at: int) -> None:
        vitals = VitalsReported("worker-0", host, 7, 0, at, True, {})
        shelf.take([Record(VITALS.name, 0, 0, at, vitals.key.encode(), CODEC.encode(vitals))])

    for host, at in (("a", 0), ("b", 0), ("b", hour), ("c", hour)):
        report(host, at)
    assert (list(shelf.entries), gone) == (["worker-0@a", "worker-0@b", "worker-0@c"], [])
    report("c", hour + 1)
    assert (list(shelf.entries), gone) == (["worker-0@b", "worker-0@c"], ["worker-0@a"])
    report("d", 3 * hour)
    assert list(shelf.entries) == ["worker-0@d"]


async def test_it_holds_the_newest_of_every_key_before_and_after_the_start(
    kafka: KafkaSettings, topic: str, writer: Writer
) -> None:
    for offset in range(5):
        await writer.tell("a", offset)
    await writer.tell("b", 7)
    async with viewed(kafka, topic) as view:
        assert view.ready
        assert offsets(view) == {"a": 4, "b": 7}
        await writer.tell("a", 9)
        assert await view.until(lambda entries: entries["a"].source_offset == 9, 30)
        assert offsets(view) == {"a": 9, "b": 7}


async def test_what_is_older_than_what_is_held_is_passed_over(kafka: KafkaSettings, topic: str, writer: Writer) -> None:
    for offset in (5, 3, 4):
        await writer.tell("a", offset)
    async with viewed(kafka, topic) as view:
        assert offsets(view) == {"a": 5}


async def test_a_tombstone_ends_an_entry_and_the_key_can_live_again(
    kafka: KafkaSettings, topic: str, writer: Writer
) -> None:
    async with viewed(kafka, topic) as view:
        told: list[tuple[str, int | None]] = []
        view.watch(lambda key, entry: told.append((key, None if entry is None else entry.source_offset)))
        for source in (None, 4):
            await writer.tell("a", 3)
            await writer.bury("a", source)
        await writer.tell("a", 5)
        await until(lambda: len(told) == 5)
    assert told == [("a", 3), ("a", None), ("a", 3), ("a", None), ("a", 5)]


async def test_a_repeated_tombstone_does_not_end_what_came_after_it(
    kafka: KafkaSettings, topic: str, writer: Writer
) -> None:
    async with viewed(kafka, topic) as view:
        told: list[int | None] = []
        view.watch(lambda key, entry: told.append(None if entry is None else entry.source_offset))
        for _ in range(2):
            await writer.tell("a", 3)
            await writer.bury("a", 4)
            await writer.tell("a", 5)
        await writer.tell("a", 6)
        await until(lambda: told and told[-1] == 6)
    assert told == [3, None, 5, 5, 6]


async def test_however_workers_repeat_themselves_the_view_ends_as_the_truth(
    kafka: KafkaSettings, topic: str, writer: Writer
) -> None:
    chance = random.Random(11)
    for _ in range(8):
        stream, truth, history = f"s{chance.randrange(1 << 40)}", {}, []
        for offset in range(30):
            history.append((offset, chance.random() < 0.3))
            begin = len(history) - 1 if chance.random() < 0.7 else chance.randrange(len(history))
            for again, gone in history[begin:]:
                await (writer.bury(stream, again) if gone else writer.tell(stream, again))
            truth = {} if history[-1][1] else {stream: offset}
        async with viewed(kafka, topic) as view:
            assert {key: at for key, at in offsets(view).items() if key == stream} == truth


async def test_the_unreadable_is_counted_and_changes_nothing(kafka: KafkaSettings, topic: str, writer: Writer) -> None:
    await writer.tell("a", 1)
    for poison in (b"", b"not avro", CODEC.encode(SAMPLE)[:-5]):
        await writer.raw("a", poison)
    await writer.tell("b", 1)
    async with viewed(kafka, topic) as view:
        assert view.unreadable == 3
        assert offsets(view) == {"a": 1, "b": 1}


async def test_waiting_for_what_does_not_come_ends(kafka: KafkaSettings, topic: str) -> None:
    async with viewed(kafka, topic) as view:
        assert not await view.until(lambda entries: "a" in entries, 0.05)
        assert await view.until(lambda entries: not entries, 0.05)


async def test_waiters_are_woken_by_the_change_each_waits_for(kafka: KafkaSettings, topic: str, writer: Writer) -> None:
    async with viewed(kafka, topic) as view:
        waiting = [asyncio.create_task(view.until(partial(_has, name), 30)) for name in ("a", "b", "c")]
        for name in ("c", "b", "a"):
            await writer.tell(name, 1)
        assert await asyncio.gather(*waiting) == [True, True, True]


async def test_a_compacted_topic_whose_records_are_gone_is_caught_up_with(
    kafka: KafkaSettings, topics: Topics, topic: str, writer: Writer
) -> None:
    await writer.tell("a", 1)
    partition = next(p for p in range(3) if _holds(kafka, topic, p))
    topics.delete_before(topic, 1, partition)
    async with viewed(kafka, topic) as view:
        assert offsets(view) == {}


def _has(name: str, entries: Mapping[str, ClustersUpdated]) -> bool:
    return name in entries


def _holds(kafka: KafkaSettings, topic: str, partition: int) -> bool:
    mark = ends(kafka, topic)[partition]
    return mark.high > mark.low
