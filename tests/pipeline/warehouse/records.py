"""Records as workers write them, and the log's account of them."""

from __future__ import annotations

from typing import Any

import numpy as np

from pipeline.kafka.record import Record
from schemas.accounts.traces import ActionAudited, Verdict
from schemas.clustering.clusters import Cluster, ClustersUpdated, DriftDetected, WorkerFigures
from schemas.clustering.points import PointsClustered
from schemas.codec import Codec
from schemas.event import Event

CODEC = Codec()
MICROSECONDS = 1_000_000
EPOCH = 1_790_000_000 * MICROSECONDS


def points(
    source_partition: int, source_offset: int, rows: int = 3, dimension: int = 2, **told: Any
) -> PointsClustered:
    """A batch whose numbers follow from its source position, so that two makings of it are the same."""
    made = np.random.default_rng([source_partition, source_offset])
    fields: dict[str, Any] = {
        "stream": f"stream-{source_partition}",
        "source_partition": source_partition,
        "source_offset": source_offset,
        "batch_id": f"batch-{source_offset}",
        "request_id": f"request-{source_offset}",
        "source": "test",
        "observed_at": EPOCH + source_offset * MICROSECONDS,
        "processed_at": EPOCH + source_offset * MICROSECONDS + 2000,
        "first_point": source_offset * rows + 1,
        "dimension": dimension,
        "metadata": {"room": "4"},
        "labels": made.integers(-1, 4, rows).tolist(),
        "similarities": made.random(rows),
        "values": made.random(rows * dimension),
    }
    return PointsClustered(**fields | told)


def update(stream: str, source_offset: int, sizes: dict[int, int], **told: Any) -> ClustersUpdated:
    """A stream with clusters of these sizes, by id, in two dimensions; the last one unchanged."""
    at = EPOCH + source_offset * MICROSECONDS
    clusters = [
        Cluster(cluster_id, size, float(size), 0.5, 0.75, "healthy", 0.0, EPOCH, at, changed=place < len(sizes) - 1)
        for place, (cluster_id, size) in enumerate(sizes.items())
    ]
    fields: dict[str, Any] = {
        "stream": stream,
        "source_partition": 0,
        "source_offset": source_offset,
        "updated_at": at,
        "created_at": EPOCH,
        "algorithm": "adaptive",
        "dimension": 2,
        "points": sum(sizes.values()),
        "batches": 1,
        "outliers": 1,
        "refused": 0,
        "dynamic_threshold": 0.5,
        "clustering_quality": None,
        "global_stability": 0.9,
        "adaptation_rate": 0.1,
        "outlier_rate": 0.1,
        "drift_detected": False,
        "drifts": 0,
        "last_drift_at": None,
        "worker": WorkerFigures("worker-1", EPOCH, 1 << 20, 1, 10, 1.0, 1.0, 1.0, 1.0, 2.0, 3.0),
        "clusters": clusters,
        "centers": np.arange(2.0 * len(sizes)),
    }
    return ClustersUpdated(**fields | told)


def drift(source_offset: int, ordinal: int = 0, source_partition: int = 0) -> DriftDetected:
    at = EPOCH + source_offset * MICROSECONDS
    advice = "Look at what changed at the source."
    return DriftDetected(
        "stream-0", source_partition, source_offset, ordinal, at, 7, "centre_shift", 3.5, 0.8, [1, 2], advice
    )


def action(number: int, **told: Any) -> ActionAudited:
    """What the door tells of a write, `number` seconds after EPOCH."""
    fields: dict[str, Any] = {
        "at": EPOCH + number * MICROSECONDS,
        "actor": "user:ada",
        "action": "POST /api/v1/process_points",
        "target": None,
        "verdict": Verdict.ACCEPTED,
        "status": 200,
        "reason": None,
        "address": "203.0.113.7",
        "request_id": f"req_{number}",
        "count": 1,
        "source_partition": None,
        "source_offset": None,
        "details": {},
    }
    return ActionAudited(**fields | told)


def logged(
    event: Event | None,
    offset: int,
    *,
    topic: str = "points.clustered.v1",
    partition: int = 0,
    key: bytes = b"stream-0",
) -> Record:
    """The record as the log gives it."""
    value = None if event is None else CODEC.encode(event)
    return Record(topic, partition, offset, EPOCH // 1000 + offset, key, value)
