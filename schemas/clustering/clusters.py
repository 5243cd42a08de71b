"""The clusters of a stream and the state of its model; drift."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from schemas.event import Event, shallow

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Cluster:
    cluster_id: int
    size: int
    weight: float
    quality: float | None
    confidence: float | None
    health: str | None
    drift_coefficient: float | None
    created_at: int
    updated_at: int
    changed: bool


@dataclass(frozen=True, slots=True)
class WorkerFigures:
    """Measured by one worker since it started; milliseconds are a batch's, decode to outputs queued."""

    worker: str
    started_at: int
    memory_bytes: int
    batches: int
    points: int
    last_ms: float | None
    mean_ms: float | None
    max_ms: float | None
    p50_ms: float | None
    p95_ms: float | None
    p99_ms: float | None


@dataclass(frozen=True, slots=True, eq=False)
class ClustersUpdated(Event):
    """All clusters of a stream as of one position. Row i of `centers` belongs to `clusters[i]`."""

    SCHEMA: ClassVar[str] = "clusters.updated.v1"

    stream: str
    source_partition: int
    source_offset: int
    updated_at: int
    created_at: int
    algorithm: str
    dimension: int
    points: int
    batches: int
    outliers: int
    refused: int
    dynamic_threshold: float | None
    clustering_quality: float | None
    global_stability: float | None
    adaptation_rate: float | None
    outlier_rate: float | None
    drift_detected: bool
    drifts: int
    last_drift_at: int | None
    worker: WorkerFigures
    clusters: list[Cluster]
    centers: Floats

    def datum(self) -> dict[str, Any]:
        clusters = [shallow(cluster) for cluster in self.clusters]
        return shallow(self) | {"clusters": clusters, "worker": shallow(self.worker)}

    @classmethod
    def of(cls, datum: dict[str, Any]) -> Self:
        clusters = [Cluster(**cluster) for cluster in datum["clusters"]]
        return cls(**datum | {"clusters": clusters, "worker": WorkerFigures(**datum["worker"])})

    def center(self, row: int) -> Floats:
        return self.centers[row * self.dimension : (row + 1) * self.dimension]


@dataclass(frozen=True, slots=True, eq=False)
class DriftDetected(Event):
    SCHEMA: ClassVar[str] = "drift.detected.v1"

    stream: str
    source_partition: int
    source_offset: int
    ordinal: int
    detected_at: int
    at_point: int
    signal: str
    statistic: float
    severity: float
    affected_clusters: list[int]
    recommendation: str
