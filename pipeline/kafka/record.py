"""One record as it lies in the log."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from operator import methodcaller
from typing import cast

from confluent_kafka import KafkaError, Message

from schemas.exchange import SOURCE_HEADER
from schemas.position import Position

# The client's own codes are public, for all their underscores.
END_OF_PARTITION = KafkaError._PARTITION_EOF  # noqa: SLF001
BEYOND_USE = KafkaError._FATAL  # noqa: SLF001

# Over a name that is not UTF-8, confluent_kafka returns a broken list and sets an exception besides. CPython notices
# that when the method is called by C; called by Python code it may go on to the list, and crash.
_ASKED = methodcaller("headers")


@dataclass(frozen=True, slots=True)
class Record:
    """`timestamp` is the log's own, in milliseconds since the epoch; `value` None is a tombstone."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: Mapping[str, bytes] = field(default_factory=dict)

    @property
    def position(self) -> Position:
        return Position(self.topic, self.partition, self.offset)

    @property
    def place(self) -> tuple[str, int]:
        """(topic, partition)"""
        return self.topic, self.partition

    @property
    def source(self) -> Position | None:
        """Of a tombstone, the position of the record that caused it; None where its writer did not say."""
        try:
            return Position.parse(self.headers.get(SOURCE_HEADER, b"").decode("ascii", "replace"))
        except ValueError:
            return None


def record_of(message: Message) -> Record:
    """From a message without error."""
    headers = _headers(message)
    return Record(
        cast(str, message.topic()),
        cast(int, message.partition()),
        cast(int, message.offset()),
        message.timestamp()[1],
        message.key(),
        message.value(),
        {name: value or b"" for name, value in headers} if headers else {},
    )


def end_of(message: Message) -> tuple[tuple[str, int], int]:
    """From an end-of-partition event: the place, and the offset its next record will have. Offsets before it that gave
    no record have none: a transaction's marker, an aborted record, or what compaction took."""
    return (cast(str, message.topic()), cast(int, message.partition())), cast(int, message.offset())


def _headers(message: Message) -> list[tuple[str, bytes | None]] | None:
    """None also where a name is not UTF-8, which brokers take: one such header must not end whoever reads the log."""
    try:
        return cast("list[tuple[str, bytes | None]] | None", _ASKED(message))
    except SystemError:
        return None
