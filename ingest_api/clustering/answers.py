"""Answers in the shapes of the documented interface."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ingest_api.clustering.submit import Work
from pipeline.clock import iso
from schemas.clustering.clusters import Cluster, ClustersUpdated
from schemas.clustering.points import AnsweredCluster, PointsAnswered
from schemas.clustering.topics import OBSERVED
from schemas.codec import Codec
from schemas.exchange import Replied
from schemas.position import Position

Shape = dict[str, Any]


@dataclass(frozen=True)
class Told:
    """What the workers answered to one batch, however many records it was."""

    labels: NDArray[np.int64]
    similarities: NDArray[np.float64]
    clusters: Mapping[int, AnsweredCluster]
    quality: float | None
    duplicate: bool
    positions: Sequence[str]


def told_of(replies: Sequence[Replied], codec: Codec) -> Told:
    """None of the replies is a refusal."""
    answers = [codec.decode(reply.answer or b"", PointsAnswered) for reply in replies]
    return Told(
        labels=np.concatenate([np.asarray(answer.labels, np.int64) for answer in answers]),
        similarities=np.concatenate([answer.similarities for answer in answers]),
        clusters={cluster.cluster_id: cluster for answer in answers for cluster in answer.clusters},
        quality=answers[-1].algorithm_quality,
        duplicate=any(answer.duplicate for answer in answers),
        positions=[str(reply.position) for reply in replies],
    )


def points_result(work: Work, told: Told) -> Shape:
    """`clusters`, `outliers`, `algorithm_quality` and what we add."""
    labels = told.labels
    return {
        "clusters": [
            _members(told.clusters[label], work.points[labels == label])
            for label in np.unique(labels[labels >= 0]).tolist()
        ],
        "outliers": work.points[labels < 0],
        "algorithm_quality": told.quality,
        "total_points": len(labels),
        "stream": work.stream,
        "duplicate": told.duplicate,
        "positions": told.positions,
    }


def _members(cluster: AnsweredCluster, points: NDArray[np.float64]) -> Shape:
    return {
        "id": cluster.cluster_id,
        "center": _mean(points),
        "points": points,
        "size": len(points),
        "quality": cluster.quality,
        "created_at": iso(cluster.created_at),
        "last_updated": iso(cluster.updated_at),
        "total_size": cluster.size,
    }


def _mean(points: NDArray[np.float64]) -> NDArray[np.float64]:
    with np.errstate(over="ignore", invalid="ignore"):
        mean: NDArray[np.float64] = points.mean(axis=0)
        if not np.isfinite(mean).all():
            # The sum of numbers near the largest there is can overflow, their mean cannot; rounding can still lift the
            # sum of their shares over the largest number.
            mean = np.clip((points / len(points)).sum(axis=0), points.min(axis=0), points.max(axis=0))
    return mean


def cluster_info(entry: ClustersUpdated, row: int) -> Shape:
    cluster = entry.clusters[row]
    return {
        "cluster_id": cluster.cluster_id,
        "size": cluster.size,
        "center": entry.center(row),
        "confidence": cluster.confidence,
        "health_status": cluster.health,
        "quality_score": cluster.quality,
        "drift_coefficient": cluster.drift_coefficient,
        "last_updated": iso(cluster.updated_at),
        "created_at": iso(cluster.created_at),
    }


def distribution(clusters: Sequence[Cluster]) -> dict[str, int]:
    counts = dict.fromkeys(("healthy", "warning", "critical"), 0)
    for cluster in clusters:
        if cluster.health in counts:
            counts[cluster.health] += 1
    return counts


@dataclass(frozen=True, slots=True)
class Host:
    """The process that answers: what it holds in memory, bytes, and since when it is there, microseconds."""

    memory_bytes: int
    started_at: int


def algorithm_status(
    entry: ClustersUpdated | None, stream: str, ready: bool, rate: float | None, now: int, host: Host
) -> Shape:
    """Figures of the stream, and of the worker that holds it. Where the documented interface has a number there is one,
    since its clients read nothing else: 0 for what was not measured, which `unmeasured` names. Before a stream's first
    point no worker holds it, and memory and uptime are those of this process."""
    told = {"is_ready": ready, **_stream_figures(entry, rate), **_worker_figures(entry, now, host), "stream": stream}
    unmeasured = [name for name in _NUMBERS if told[name] is None]
    told |= dict.fromkeys(unmeasured, 0.0)
    return told | {"unmeasured": unmeasured}


def _stream_figures(entry: ClustersUpdated | None, rate: float | None) -> Shape:
    if entry is None:
        return {**dict.fromkeys(_OF_STREAM), **_NOTHING_YET}
    tried = entry.batches + entry.refused
    return {
        "current_dynamic_threshold": entry.dynamic_threshold,
        "clustering_quality": entry.clustering_quality,
        "global_stability": entry.global_stability,
        "adaptation_rate": entry.adaptation_rate,
        "total_points_processed": entry.points,
        "throughput_points_per_second": rate,
        "error_rate": entry.refused / tried if tried else 0.0,
        "error_count": entry.refused,
        "drift_detected": entry.drift_detected,
        "active_clusters": len(entry.clusters),
        "last_drift_detection": None if entry.last_drift_at is None else iso(entry.last_drift_at),
        "algorithm": entry.algorithm,
        "dimension": entry.dimension,
        "outlier_rate": entry.outlier_rate,
    }


def _worker_figures(entry: ClustersUpdated | None, now: int, host: Host) -> Shape:
    worker = None if entry is None else entry.worker
    holder = worker or host
    latencies = (0.0, 0.0, 0.0) if worker is None else (worker.p50_ms, worker.p95_ms, worker.p99_ms)
    return {
        "average_processing_time_ms": None if worker is None else worker.mean_ms,
        "max_processing_time_ms": None if worker is None else worker.max_ms,
        "last_processing_time_ms": None if worker is None else worker.last_ms,
        "memory_usage_mb": holder.memory_bytes / (1024 * 1024),
        "uptime_seconds": (now - holder.started_at) / 1_000_000,
        "performance_metrics": dict(zip(_LATENCIES, latencies, strict=True)),
        "worker": None if worker is None else worker.worker,
    }


_LATENCIES = ("p50_latency_ms", "p95_latency_ms", "p99_latency_ms")
_NUMBERS = (
    "current_dynamic_threshold",
    "clustering_quality",
    "global_stability",
    "adaptation_rate",
    "average_processing_time_ms",
    "max_processing_time_ms",
    "last_processing_time_ms",
    "throughput_points_per_second",
    "outlier_rate",
)
_OF_STREAM = (*_NUMBERS[:4], *_NUMBERS[7:], "last_drift_detection", "algorithm", "dimension")
_NOTHING_YET: Shape = {
    "total_points_processed": 0,
    "error_rate": 0.0,
    "error_count": 0,
    "drift_detected": False,
    "active_clusters": 0,
}


def summary(entry: ClustersUpdated | None, rows: Sequence[int], page: Sequence[int], now: int) -> Shape:
    """`rows` are the clusters that pass the filters, `page` those of them that are shown."""
    clusters = [] if entry is None else entry.clusters
    confident = [cluster.confidence for cluster in clusters if cluster.confidence is not None]
    return {
        "num_active_clusters": len(clusters),
        "cluster_ids": [clusters[row].cluster_id for row in rows],
        "clusters_info": [] if entry is None else [cluster_info(entry, row) for row in page],
        "total_points_processed": 0 if entry is None else entry.points,
        "average_cluster_confidence": sum(confident) / len(confident) if confident else None,
        "cluster_distribution": distribution(clusters),
        "summary_timestamp": iso(now),
        "position": None if entry is None else str(_position(entry)),
    }


def _position(entry: ClustersUpdated) -> Position:
    return Position(OBSERVED.name, entry.source_partition, entry.source_offset)


def stream_info(entry: ClustersUpdated) -> Shape:
    return {
        "stream": entry.stream,
        "algorithm": entry.algorithm,
        "dimension": entry.dimension,
        "total_points_processed": entry.points,
        "active_clusters": len(entry.clusters),
        "created_at": iso(entry.created_at) if entry.created_at else None,
        "last_updated": iso(entry.updated_at),
    }
