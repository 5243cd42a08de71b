"""Points into the log: one batch becomes consecutive records no larger than a record may be."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ingest_api.gate import Gate
from ingest_api.inquiry import Inquiry
from ingest_api.problems import Busy, FieldError, Invalid, Problem
from pipeline.clock import Clock
from pipeline.errors import Unavailable
from schemas.clustering.limits import MAX_CHUNK_BYTES, MAX_POINTS
from schemas.clustering.points import Action, ClusteringConfig, PointsObserved, body_of
from schemas.clustering.topics import OBSERVED
from schemas.exchange import Replied

Floats = NDArray[np.float64]

# Refusals of the worker that are about the request's own fields; any other is said without a field.
_FIELDS = {
    "dimension_mismatch": "points",
    "values_not_finite": "points",
    "config_invalid": "clustering_config",
    "algorithm_conflict": "clustering_config.algorithm",
    "batch_id_invalid": "batch_id",
    "batch_id_reused": "Idempotency-Key",
    "metadata_too_large": "metadata",
}


class Sender(Protocol):
    @property
    def gate(self) -> Gate: ...

    @property
    def clock(self) -> Clock: ...


@dataclass(frozen=True, slots=True)
class Work:
    """A batch to be learned. `points` is (n, D). `once` (see `once_key`) makes a retry with the same one count once."""

    stream: str
    points: Floats
    principal: str
    once: str | None = None
    label: str | None = None
    config: ClusteringConfig | None = None
    metadata: Mapping[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Order:
    """What is to become of a stream's model: RESET or DELETE."""

    stream: str
    action: Action
    principal: str


class Late(Busy):
    """The answer has not come in time; the points that have a position will be processed all the same."""


def send(door: Sender, work: Work) -> Inquiry:
    """Raises Overloaded, LogUnavailable."""
    events = records_of(work, door.clock())
    weight = work.points.nbytes * 2 + 1024
    body = None if work.once is None else body_of(events)
    return door.gate.send(OBSERVED, work.stream, events, work.principal, work, weight, body=body)


def send_order(door: Sender, order: Order) -> Inquiry:
    """Raises Overloaded, LogUnavailable."""
    event = PointsObserved(order.stream, door.clock(), 0, np.empty(0), source=order.principal, action=order.action)
    return door.gate.send(OBSERVED, order.stream, [event], order.principal, order, 1024)


async def answered(inquiry: Inquiry, milliseconds: int) -> Sequence[Replied]:
    """Every reply, none a refusal. Raises Problem."""
    try:
        replies = await inquiry.complete(milliseconds / 1000)
    except TimeoutError:
        raise late(inquiry, f"No answer within {milliseconds} ms.") from None
    except Unavailable:
        message = "The log did not confirm everything. With an Idempotency-Key the request can be repeated safely."
        raise Busy(message, 2, _where(inquiry)) from None
    refusal = inquiry.refusal
    if refusal is not None:
        raise refused(refusal)
    return replies


def late(inquiry: Inquiry, why: str) -> Late:
    """What an inquiry's sender is told who has to go without its answer."""
    message = (
        f"{why} What has a position is accepted and will be processed; GET /api/v1/requests/{inquiry.request_id} tells."
    )
    return Late(message, 1, _where(inquiry))


def refused(reply: Replied) -> Problem:
    """The worker's refusal as the caller's error."""
    reason, detail = reply.reason or "", reply.detail or ""
    if reason in ("learner_failed", "stream_forfeited"):
        return Problem(500, "PROCESSING_ERROR", detail, {"reason": reason, "position": str(reply.position)})
    return Invalid([FieldError(_FIELDS.get(reason, "body"), detail)])


def once_key(principal: str, key: str, label: str = "", occurrence: int = 0) -> str:
    """An idempotency key that no other principal can meet: of a request, or of the batch in it that is the
    `occurrence`-th of its label."""
    told = json.dumps([principal, key, label, occurrence])
    return hashlib.blake2b(told.encode(), digest_size=16).hexdigest()


def records_of(work: Work, now: int) -> Sequence[PointsObserved]:
    """Consecutive records of at most MAX_CHUNK_BYTES of values each."""
    count, dimension = work.points.shape
    rows = max(1, min(MAX_POINTS, MAX_CHUNK_BYTES // (8 * dimension)))
    # A label alone makes no batch_id: clients reuse "batch_001", and the second would count as a retry of the first.
    metadata = dict(work.metadata or {}) | ({"batch_id": work.label} if work.label else {})
    return [
        PointsObserved(
            stream=work.stream,
            observed_at=now,
            dimension=dimension,
            values=work.points[start : start + rows].ravel(),
            batch_id=None if work.once is None else f"{work.once}#{start // rows}",
            source=work.principal,
            config=work.config,
            metadata=metadata,
        )
        for start in range(0, count, rows)
    ]


def _where(inquiry: Inquiry) -> dict[str, object]:
    return {"request_id": inquiry.request_id, "positions": [str(position) for position in inquiry.positions]}
