"""Batches as a step receives them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from pipeline.clustering.cluster import Cluster
from pipeline.clustering.state import StreamState
from pipeline.outcome import Emit, Outcome
from pipeline.received import Raw, Received
from pipeline.telemetry import Meter
from schemas.clustering.points import PointsObserved
from schemas.clustering.topics import OBSERVED
from schemas.event import Event
from schemas.exchange import BODY_HEADER, REPLY_PARTITION_HEADER, REQUEST_ID_HEADER
from schemas.position import Position

SECOND = 1_000_000


@dataclass
class Clock:
    """Microseconds; stands still unless moved."""

    now: int = 1_700_000_000 * SECOND

    def __call__(self) -> int:
        return self.now


@dataclass
class Bench:
    """One stream's step and state, and the log it reads."""

    clock: Clock = field(default_factory=Clock)
    offset: int = -1

    def __post_init__(self) -> None:
        self.step = Cluster(Meter("worker-0", self.clock), self.clock)
        self.state = self.step.restore(None)

    def apply(self, event: PointsObserved, *, asked: bool = False, body: bytes | None = None) -> Outcome:
        """The next record of the log; `asked` by a caller who waits, as a part of a request with that `body`."""
        return self.step.apply(self.received(event, asked=asked, body=body), self.state)

    def received(
        self, event: PointsObserved, *, asked: bool = False, body: bytes | None = None
    ) -> Received[PointsObserved]:
        self.offset += 1
        headers = {REQUEST_ID_HEADER: b"req_1", REPLY_PARTITION_HEADER: b"3"} if asked else {}
        headers |= {} if body is None else {BODY_HEADER: body}
        at = self.clock.now + self.offset
        raw = Raw(Position(OBSERVED.name, 2, self.offset), at, event.stream.encode(), b"", headers)
        return Received(event, raw)

    def learn(self, points: Any, *, asked: bool = False, **fields: Any) -> Outcome:
        return self.apply(observed(points, **fields), asked=asked)

    def resume(self) -> StreamState:
        """The state as a worker has it that takes over from the snapshot."""
        self.state = self.step.restore(self.step.snapshot(self.state))
        return self.state


def observed(points: Any, **fields: Any) -> PointsObserved:
    """`points` is (n, D)."""
    values = np.asarray(points, np.float64)
    named: dict[str, Any] = {"stream": "s", "observed_at": 5, "dimension": values.shape[1], "values": values.ravel()}
    return PointsObserved(**named | fields)


def emitted(outcome: Outcome, kind: type[Event]) -> list[Any]:
    assert isinstance(outcome, Emit), outcome
    return [each.event for each in outcome.emissions if isinstance(each.event, kind)]


def blobs(count: int, dimension: int = 3, seed: int = 1, centers: int = 4) -> Any:
    rng = np.random.default_rng(seed)
    middles = np.random.default_rng(0).normal(0, 10, (centers, dimension))
    return middles[rng.integers(centers, size=count)] + rng.normal(0, 0.3, (count, dimension))


def parts(points: Any, cuts: Iterable[int]) -> list[Any]:
    """`points` cut at these places."""
    return [part for part in np.split(points, sorted(cuts)) if len(part)]
