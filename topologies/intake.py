"""Bytes to an event, or a refusal: the unreadable never reaches a step."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, TypeVar

from aiokafka.partitioner import murmur2

from pipeline.kafka.producer import MAX_RECORD
from pipeline.outcome import Refuse
from pipeline.received import Raw, Received
from schemas.codec import Codec, Undecodable
from schemas.event import Event
from schemas.position import Position

E = TypeVar("E", bound=Event)


MAX_VALUE = MAX_RECORD // 2
"""Bytes of a value before compression, which the broker's limit does not see: a step's outputs, which may hold all of
its input, must fit into records themselves."""


def raw_of(record: Any) -> Raw:
    """From aiokafka's ConsumerRecord."""
    headers = {name: value or b"" for name, value in record.headers} if record.headers else {}
    position = Position(record.topic, record.partition, record.offset)
    return Raw(position, record.timestamp * 1000, record.key, record.value, headers)


def take_in(raw: Raw, codec: Codec, kind: type[E]) -> Received[E] | Refuse:
    """The record decoded, or why it cannot be."""
    if raw.value is None:
        return Refuse("value_missing", "a record without a value; this topic is not compacted")
    if len(raw.value) > MAX_VALUE:
        return Refuse(
            "value_too_large", f"a value has at most {MAX_VALUE} bytes, not {len(raw.value)}: send it in parts"
        )
    try:
        return Received(codec.decode(raw.value, kind), raw)
    except Undecodable as error:
        return Refuse(error.reason, error.detail, error.schema_id)


class Placement:
    """Whether a record lies where its key belongs. A producer with another partitioner would split a key's order and
    state over two partitions, which nothing later could mend."""

    def __init__(self, partitions: int) -> None:
        self._partitions = partitions
        self._belongs = lru_cache(maxsize=100_000)(self._of)

    def check(self, raw: Raw, key: str) -> Refuse | None:
        """None when it does."""
        if raw.key is None or raw.key != key.encode():
            shown = None if raw.key is None else raw.key[:100].decode("utf-8", "replace")
            return Refuse("key_mismatch", f"the record's key is {shown!r} and must be {key!r}")
        partition = self._belongs(raw.key)
        if partition != raw.position.partition:
            return Refuse(
                "partition_wrong",
                f"the key belongs to partition {partition} by murmur2 and lies on {raw.position.partition}: "
                "set your producer's partitioner to murmur2 (librdkafka: partitioner=murmur2_random)",
            )
        return None

    def _of(self, key: bytes) -> int:
        return partition_of(key, self._partitions)


def partition_of(key: bytes, partitions: int) -> int:
    """By Kafka's default partitioner: org.apache.kafka.clients.producer.internals.BuiltInPartitioner"""
    return int(murmur2(key) & 0x7FFFFFFF) % partitions
