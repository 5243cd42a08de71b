"""Finite readings: they end, whatever the log has lost in between."""

from __future__ import annotations

import asyncio
import uuid

import pytest
from confluent_kafka import Consumer, TopicPartition

from pipeline.errors import LogUnavailable
from pipeline.kafka import browse
from pipeline.kafka.tail import Watermarks
from pipeline.settings import KafkaSettings
from schemas.position import Position
from tests.doubles.batch import batch, send
from tests.pipeline.kafka.topics import NOBODY, Topics


def test_a_stretch_is_everything_there_is_each_partition_in_order(
    kafka: KafkaSettings, topics: Topics, topic: str
) -> None:
    for partition in range(3):
        topics.write(topic, [b"%d-%04d" % (partition, n) for n in range(1500)], partition)
    records = list(browse.stretch(kafka, topic))
    for partition in range(3):
        mine = [record for record in records if record.partition == partition]
        assert [record.offset for record in mine] == list(range(1500))
        assert [record.value for record in mine] == [b"%d-%04d" % (partition, n) for n in range(1500)]


def test_a_stretch_begins_where_it_is_told_or_at_the_oldest_kept(
    kafka: KafkaSettings, topics: Topics, topic: str
) -> None:
    for partition in range(3):
        topics.write(topic, [b"x"] * 5, partition)
    topics.delete_before(topic, 3, partition=1)
    starts = {0: 4, 1: 0, 2: 99}
    places = {(record.partition, record.offset) for record in browse.stretch(kafka, topic, starts)}
    assert places == {(0, 4), (1, 3), (1, 4)}


def test_a_stretch_ends_at_the_end_of_its_call(kafka: KafkaSettings, topics: Topics, topic: str) -> None:
    topics.write(topic, [b"before"] * 3)
    reading = browse.stretch(kafka, topic)
    first = next(reading)
    topics.write(topic, [b"after"] * 3)
    assert [first.value, *(record.value for record in reading)] == [b"before"] * 3


def test_a_stretch_of_an_empty_topic_is_empty(kafka: KafkaSettings, topic: str) -> None:
    assert list(browse.stretch(kafka, topic)) == []


def test_a_stretch_ends_behind_a_transactions_marker(kafka: KafkaSettings, topics: Topics, topic: str) -> None:
    topics.write_in_a_transaction(topic, [b"a", b"b"])
    assert [record.value for record in browse.stretch(kafka, topic)] == [b"a", b"b"]
    assert browse.at(kafka, Position(topic, 0, 2)) is None


def test_a_stretch_ends_though_compaction_has_taken_what_was_asked_for(kafka: KafkaSettings, topics: Topics) -> None:
    topic = topics.make(
        1, cleanup_policy="compact", segment_ms="100", min_cleanable_dirty_ratio="0.0", max_compaction_lag_ms="100"
    )
    topics.write(topic, [b"%d" % n for n in range(20)], key=b"k")
    topics.compact(topic, lambda: browse.at(kafka, Position(topic, 0, 5)) is None)
    mine = [record.offset for record in browse.stretch(kafka, topic) if record.key == b"k"]
    assert mine == [19]
    assert browse.ends(kafka, topic)[0].low == 0


def test_one_record_is_found_by_its_position(kafka: KafkaSettings, topics: Topics, topic: str) -> None:
    topics.write(topic, [b"0", b"1", b"2", b"3"], partition=2)
    topics.delete_before(topic, 1, partition=2)
    found = browse.at(kafka, Position(topic, 2, 2))
    assert found is not None
    assert (found.value, found.position) == (b"2", Position(topic, 2, 2))
    for place in (Position(topic, 2, 0), Position(topic, 2, 4), Position(topic, 0, 0), Position(topic, 9, 0)):
        assert browse.at(kafka, place) is None


def test_ends_are_the_oldest_kept_and_one_past_the_newest(kafka: KafkaSettings, topics: Topics, topic: str) -> None:
    topics.write(topic, [b"x"] * 4, partition=1)
    topics.delete_before(topic, 2, partition=1)
    assert browse.ends(kafka, topic) == {0: Watermarks(0, 0), 1: Watermarks(2, 4), 2: Watermarks(0, 0)}


def test_the_ends_of_a_topic_just_made_are_told_though_not_every_partition_is_led_yet(
    kafka: KafkaSettings, topics: Topics
) -> None:
    assert browse.ends(kafka, topics.make(100)) == dict.fromkeys(range(100), Watermarks(0, 0))


def test_what_a_group_has_committed_is_told_by_partition(kafka: KafkaSettings, topics: Topics, topic: str) -> None:
    group = f"g{uuid.uuid4().hex[:8]}"
    topics.write(topic, [b"x"] * 4, partition=1)
    assert browse.committed(kafka, group, topic) == {0: None, 1: None, 2: None}
    consumer = Consumer({"bootstrap.servers": kafka.bootstrap, "group.id": group})
    consumer.commit(offsets=[TopicPartition(topic, 1, 3)], asynchronous=False)
    consumer.close()
    assert browse.committed(kafka, group, topic) == {0: None, 1: 3, 2: None}


def test_a_topic_that_is_not_there_is_said(kafka: KafkaSettings) -> None:
    for read in (
        lambda: list(browse.stretch(kafka, "no.such.v1")),
        lambda: browse.at(kafka, Position("no.such", 0, 0)),
    ):
        with pytest.raises(LogUnavailable, match=r"topic no\.such"):
            read()


@pytest.mark.timeout(60)
def test_without_a_broker_it_is_unavailable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(browse, "PATIENCE_S", 0.5)
    with pytest.raises(LogUnavailable, match="does not answer"):
        browse.ends(NOBODY, "t")


async def test_a_header_whose_name_is_not_utf8_ends_no_reading(
    kafka: KafkaSettings, topics: Topics, topic: str
) -> None:
    """confluent_kafka raises over such a name, and gives none of the record's headers."""
    odd, even = (b"k", b"odd", [(b"\xff", b"1"), (b"a", b"2")]), (b"k", b"even", [(b"a", b"3")])
    await send(kafka.bootstrap, topic, 0, batch([odd, even] * 200))  # once might go well
    told = [(record.value, record.headers) for record in await asyncio.to_thread(list, browse.stretch(kafka, topic))]
    assert told == [(b"odd", {}), (b"even", {"a": b"3"})] * 200
