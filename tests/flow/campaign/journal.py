"""What clients did, and what they were promised: written down while it happens, held against the log afterwards."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum

Place = tuple[int, int]
"""(partition, offset) of points.observed.v1"""


class Promise(StrEnum):
    ANSWERED = "answered"
    """200 or 422: learned, or refused by the worker."""
    ACCEPTED = "accepted"
    """202: all of it is in the log."""
    LATE = "late"
    """503 with a position for every record: in the log, the answer was not there in time."""
    DURABLE = "durable"
    """Kafka's own acknowledgement."""


@dataclass(frozen=True, slots=True)
class Receipt:
    """`places` has one entry a record, in order; a refusal (422) names none. `outliers` as the answer had them."""

    promise: Promise
    at: float
    places: Sequence[Place]
    request_id: str | None = None
    duplicate: bool | None = None
    outliers: int | None = None
    refused: bool = False


@dataclass(slots=True)
class Operation:
    """One batch a client wanted learned once. `keyed`: repeated with its key until it is acknowledged; without a key it
    is tried once. `parts`: of so many records. `begun` and `ended` are seconds since the epoch."""

    number: int
    stream: str
    way: str
    keyed: bool
    points: int
    parts: int
    begun: float
    ended: float = 0.0
    attempts: int = 0
    value: bytes | None = None
    """What was written, where it was written straight to Kafka."""
    receipts: list[Receipt] = field(default_factory=list)
    troubles: list[str] = field(default_factory=list)
    """Answers that were no acknowledgement: 503, connection errors."""

    @property
    def name(self) -> str:
        return f"operation {self.number} ({self.way}, stream {self.stream})"


@dataclass(slots=True)
class Journal:
    """`wrong`: answers that no fault explains."""

    operations: list[Operation] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)

    def begin(self, stream: str, way: str, *, keyed: bool, points: int, at: float, parts: int = 1) -> Operation:
        operation = Operation(len(self.operations), stream, way, keyed, points, parts, at)
        self.operations.append(operation)
        return operation
