"""One record as it lies in the log."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import cast

from confluent_kafka import Message

from schemas.position import Position


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


def record_of(message: Message) -> Record:
    """From a message without error."""
    headers = cast("list[tuple[str, bytes | None]] | None", message.headers())
    return Record(
        cast(str, message.topic()),
        cast(int, message.partition()),
        cast(int, message.offset()),
        message.timestamp()[1],
        message.key(),
        message.value(),
        {name: value or b"" for name, value in headers} if headers else {},
    )
