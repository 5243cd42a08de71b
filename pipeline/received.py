"""A record as a step receives it: decoded, with where and when the log has it, and who waits for an answer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from schemas.alike import Alike
from schemas.event import Event
from schemas.exchange import BODY_HEADER, PART_HEADER, REPLY_PARTITION_HEADER, REQUEST_ID_HEADER
from schemas.position import Position

E = TypeVar("E", bound=Event)


@dataclass(frozen=True, slots=True)
class Raw:
    """A record's bytes. `timestamp` is the log's, in microseconds since the epoch."""

    position: Position
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: Mapping[str, bytes]

    @property
    def size(self) -> int:
        """Bytes of key, value and headers."""
        headers = sum(len(name) + len(value) for name, value in self.headers.items())
        return len(self.key or b"") + len(self.value or b"") + headers

    @property
    def request_id(self) -> str | None:
        value = self.headers.get(REQUEST_ID_HEADER)
        return None if value is None else value.decode("ascii", "replace")[:128]

    @property
    def reply_partition(self) -> int | None:
        """None when nobody waits, or when what stands there is no partition."""
        text = self.headers.get(REPLY_PARTITION_HEADER, b"")
        return int(text) if text.isdigit() and len(text) < 6 else None

    @property
    def body(self) -> bytes | None:
        """The digest of the whole request, where it has an idempotency key."""
        value = self.headers.get(BODY_HEADER)
        return None if value is None else value[:64]

    @property
    def part(self) -> int:
        text = self.headers.get(PART_HEADER, b"")
        return int(text) if text.isdigit() and len(text) < 9 else 0


@dataclass(frozen=True, slots=True)
class Received(Generic[E]):
    """`event` decoded from `raw`."""

    event: E
    raw: Raw

    @property
    def position(self) -> Position:
        return self.raw.position


@dataclass(frozen=True, slots=True)
class Punctuation:
    """The time `at`, in microseconds since the epoch, at which `key` is due. `position` is where the log has it: that
    of whatever comes of it."""

    position: Position
    at: int
    key: str


@dataclass(frozen=True, slots=True)
class ReceivedAlike(Generic[E]):
    """Records of one key in the log's order, decoded together. Nobody waits for an answer to any of them."""

    alike: Alike[E]
    partition: int
    offsets: NDArray[np.int64]
    timestamps: NDArray[np.int64]
    """(n,) the log's, in microseconds since the epoch."""
