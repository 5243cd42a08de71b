"""Records every street uses: the reply to a request, the dead letter, and its way back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import ClassVar

from schemas.event import Event
from schemas.position import Position
from schemas.topic import Topic, Writer

REQUEST_ID_HEADER = "thalweg-request-id"
REPLY_PARTITION_HEADER = "thalweg-reply-partition"
PART_HEADER = "thalweg-part"
BODY_HEADER = "thalweg-body"
"""On the records of a request with an idempotency key: the digest of all that it asks for, which a retry repeats."""
REPLAYED_FROM_HEADER = "thalweg-replayed-from"
SOURCE_HEADER = "thalweg-source"
"""On tombstones: the position of the record that caused it, which other records carry in their value."""

SIGNATURE_HEADER = "thalweg-signature"
"""On records of signed topics: who wrote it has the accounts' secret (`pipeline.signatures`)."""


@dataclass(frozen=True, slots=True, eq=False)
class Replied(Event):
    """The answer to part `part` of a request. `reason` is None when the record was used."""

    SCHEMA: ClassVar[str] = "replies.v1"

    request_id: str
    part: int
    topic: str
    source_partition: int
    source_offset: int
    reason: str | None
    detail: str | None
    answer: bytes | None

    @property
    def position(self) -> Position:
        return Position(self.topic, self.source_partition, self.source_offset)


@dataclass(frozen=True, slots=True, eq=False)
class Refused(Event):
    """A record that could not be used, as it came, and why."""

    SCHEMA: ClassVar[str] = "refused.v1"

    topic: str
    source_partition: int
    source_offset: int
    reason: str
    detail: str
    schema_id: int | None
    request_id: str | None
    refused_at: int
    headers: Mapping[str, bytes]
    key: bytes | None
    value: bytes | None

    @property
    def position(self) -> Position:
        return Position(self.topic, self.source_partition, self.source_offset)


@dataclass(frozen=True, slots=True, eq=False)
class Replayed(Event):
    """A dead letter goes back to its topic. Written before it is sent, with the end of each of the topic's partitions
    in `ends`, and again once it is durable, with where it stands now: whoever finds only the first knows where to
    look for it."""

    SCHEMA: ClassVar[str] = "letters.replayed.v1"

    topic: str
    source_partition: int
    source_offset: int
    replayed_at: int
    ends: list[int]
    as_partition: int | None = None
    as_offset: int | None = None

    @property
    def position(self) -> Position:
        return Position(self.topic, self.source_partition, self.source_offset)

    @property
    def stands_at(self) -> Position | None:
        if self.as_partition is None or self.as_offset is None:
            return None
        return Position(self.topic, self.as_partition, self.as_offset)


REPLIES = Topic("replies.v1", Replied, "request_id", Writer.WORKERS, timedelta(hours=1), partitions=8, signed=True)

# Kept longer than any dead letter, one in a segment not yet rolled included: a letter must not outlive the knowledge
# that it has been replayed.
REPLAYED = Topic(
    "letters.replayed.v1", Replayed, "the refused record's position", Writer.OPERATORS, timedelta(days=42), partitions=1
)


def dead_letters(topic: Topic) -> Topic:
    """The twin that takes what `topic` could not use. Kept four weeks, so that a Monday can replay a Friday."""
    return Topic(topic.refused, Refused, "the refused record's key", Writer.WORKERS, timedelta(days=28))
