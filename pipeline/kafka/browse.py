"""Reading a finite stretch of the log: for people, dead letters and checks."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Mapping
from contextlib import closing
from typing import cast

from confluent_kafka import Consumer, KafkaException, TopicPartition

from pipeline.errors import LogUnavailable
from pipeline.kafka.connection import reading
from pipeline.kafka.record import END_OF_PARTITION, Record, record_of
from pipeline.kafka.tail import Watermarks, watermarks
from pipeline.settings import KafkaSettings
from schemas.position import Position

PATIENCE_S = 10.0
log = logging.getLogger(__name__)


def stretch(settings: KafkaSettings, topic: str, starts: Mapping[int, int] | None = None) -> Iterator[Record]:
    """Every record there is now of a topic, from `starts` (partition -> offset; else from the oldest), each
    partition in order. Ends at the watermarks of the call. Raises LogUnavailable."""
    with closing(_consumer(settings)) as consumer:
        marks = _marks(consumer, topic)
        left = {}
        for partition, mark in marks.items():
            begin = max(mark.low, (starts or {}).get(partition, mark.low))
            if begin < mark.high:
                left[partition] = mark.high
                consumer.incremental_assign([TopicPartition(topic, partition, begin)])
        yield from _until(consumer, left)


def stretch_of(settings: KafkaSettings, topic: str, partition: int, start: int) -> tuple[list[Record], int]:
    """Every record there is now of one partition from `start` on, and the offset that the next one will have. Raises
    LogUnavailable."""
    with closing(_consumer(settings)) as consumer:
        mark = watermarks(consumer, topic, partition)
        begin = max(mark.low, start)
        if begin >= mark.high:
            return [], mark.high
        consumer.assign([TopicPartition(topic, partition, begin)])
        return list(_until(consumer, {partition: mark.high})), mark.high


def at(settings: KafkaSettings, position: Position) -> Record | None:
    """The record at a position, or None where there is none (any more). Raises LogUnavailable."""
    with closing(_consumer(settings)) as consumer:
        mark = _marks(consumer, position.topic).get(position.partition)
        if mark is None or not mark.low <= position.offset < mark.high:
            return None
        consumer.assign([TopicPartition(position.topic, position.partition, position.offset)])
        for record in _until(consumer, {position.partition: position.offset + 1}):
            return record if record.offset == position.offset else None
        return None


def ends(settings: KafkaSettings, topic: str) -> Mapping[int, Watermarks]:
    """The watermarks of each partition. Raises LogUnavailable."""
    with closing(_consumer(settings)) as consumer:
        return _marks(consumer, topic)


def committed(settings: KafkaSettings, group: str, topic: str) -> Mapping[int, int | None]:
    """What a consumer group has committed, by partition; None where nothing yet. Raises LogUnavailable."""
    with closing(_consumer(settings, group)) as consumer:
        asked = [TopicPartition(topic, partition) for partition in _marks(consumer, topic)]
        try:
            answered = consumer.committed(asked, timeout=PATIENCE_S)
        except KafkaException as error:
            raise LogUnavailable(f"the offsets of group {group} are not to be had: {error}") from error
        return {place.partition: place.offset if place.offset >= 0 else None for place in answered}


def _consumer(settings: KafkaSettings, group: str = "thalweg-browse") -> Consumer:
    return Consumer(
        reading(settings, group) | {"enable.partition.eof": True, "queued.max.messages.kbytes": 16 * 1024},
        logger=log,
    )


def _marks(consumer: Consumer, topic: str) -> dict[int, Watermarks]:
    try:
        listed = consumer.list_topics(topic, timeout=PATIENCE_S).topics.get(topic)
    except KafkaException as error:
        raise LogUnavailable(f"Kafka does not answer: {error.args[0].str()}") from error
    if listed is None or listed.error is not None:
        raise LogUnavailable(
            f"topic {topic}: {'the broker does not list it' if listed is None else listed.error.str()}"
        )
    return {partition: watermarks(consumer, topic, partition) for partition in sorted(listed.partitions)}


def _until(consumer: Consumer, left: dict[int, int], patience: float = 30.0) -> Iterator[Record]:
    progressed = time.monotonic()
    while left:
        message = consumer.poll(1.0)
        error = None if message is None else message.error()
        if message is None or (error is not None and error.code() != END_OF_PARTITION):
            if error is not None:
                log.warning("reading the log: %s", error.str())
            if time.monotonic() - progressed > patience:
                raise LogUnavailable(f"Kafka gave nothing for {patience:.0f} s")
            continue
        partition, record = cast(int, message.partition()), None if error is not None else record_of(message)
        if record is not None and record.offset < left.get(partition, 0):
            yield record
        # The end of a partition may come before the mark: the last offsets may hold no record that can be read.
        if partition in left and (record is None or record.offset + 1 >= left[partition]):
            del left[partition]
            consumer.pause([TopicPartition(cast(str, message.topic()), partition)])
        progressed = time.monotonic()
