"""Points into the log: one batch becomes consecutive records no larger than a record may be."""

from __future__ import annotations

import hashlib
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
from schemas.clustering.limits import MAX_CHUNK_BYTES
from schemas.clustering.points import Action, ClusteringConfig, PointsObserved
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
    "metadata_too_large": "metadata",
}


class Sender(Protocol):
    @property
    def gate(self) -> Gate: ...

    @property
    def clock(self) -> Clock: ...


@dataclass(frozen=True, slots=True)
class Work:
    """A batch to be learned. `points` is (n, D). A `once` makes a retry with the same one count once."""

    stream: str
    points: Floats
    principal: str
    once: str | None = None
    label: str | None = None
    config: ClusteringConfig | None = None
    metadata: Mapping[str, str] | None = None


def send(door: Sender, work: Work) -> Inquiry:
    """Raises Overloaded, LogUnavailable."""
    events = list(_records(work, door.clock()))
    weight = work.points.nbytes * 2 + 1024
    return door.gate.send(OBSERVED, work.stream, events, work.principal, work, weight)


def order(door: Sender, stream: str, action: Action, principal: str) -> Inquiry:
    """RESET or DELETE. Raises Overloaded, LogUnavailable."""
    event = PointsObserved(stream, door.clock(), 0, np.empty(0), source=principal, action=action)
    return door.gate.send(OBSERVED, stream, [event], principal, None, 1024)


async def answered(inquiry: Inquiry, milliseconds: int) -> Sequence[Replied]:
    """Every reply, none a refusal. Raises Problem."""
    try:
        replies = await inquiry.complete(milliseconds / 1000)
    except TimeoutError:
        message = (
            f"No answer within {milliseconds} ms. The points that have a position are accepted and will be processed; "
            f"GET /api/v1/requests/{inquiry.request_id} tells."
        )
        raise Busy(message, 1, _where(inquiry)) from None
    except Unavailable:
        message = "The log did not confirm all points. With an Idempotency-Key the request can be repeated safely."
        raise Busy(message, 2, _where(inquiry)) from None
    refusal = inquiry.refusal
    if refusal is not None:
        raise refused(refusal)
    return replies


def refused(reply: Replied) -> Problem:
    """The worker's refusal as the caller's error."""
    reason, detail = reply.reason or "", reply.detail or ""
    if reason in ("learner_failed", "stream_forfeited"):
        return Problem(500, "PROCESSING_ERROR", detail, {"reason": reason, "position": str(reply.position)})
    return Invalid([FieldError(_FIELDS.get(reason, "body"), detail)])


def once_key(principal: str, key: str) -> str:
    """The idempotency key of one principal, which no other can meet."""
    return hashlib.blake2b(f"{principal}\0{key}".encode(), digest_size=16).hexdigest()


def _records(work: Work, now: int) -> Sequence[PointsObserved]:
    count, dimension = work.points.shape
    rows = max(1, MAX_CHUNK_BYTES // (8 * dimension))
    # Without a key of its own a label stays out of batch_id: clients reuse "batch_001", and the second one would
    # count as a retry of the first.
    batch_id = None if work.once is None else f"{work.once}:{work.label}" if work.label else work.once
    metadata = dict(work.metadata or {}) | ({"batch_id": work.label} if work.label else {})
    return [
        PointsObserved(
            stream=work.stream,
            observed_at=now,
            dimension=dimension,
            values=work.points[start : start + rows].ravel(),
            batch_id=_part_id(batch_id, start // rows),
            source=work.principal,
            config=work.config,
            metadata=metadata,
        )
        for start in range(0, count, rows)
    ]


def _part_id(batch_id: str | None, part: int) -> str | None:
    if batch_id is None:
        return None
    return f"{batch_id}#{part}" if part else batch_id


def _where(inquiry: Inquiry) -> dict[str, object]:
    return {"request_id": inquiry.request_id, "positions": [str(position) for position in inquiry.positions]}
