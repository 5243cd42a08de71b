"""Answers in the shapes of the documented interface."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ingest_api.clustering.submit import Work
from pipeline.clock import iso
from schemas.clustering.clusters import Cluster, ClustersUpdated
from schemas.clustering.points import AnsweredCluster, PointsAnswered
from schemas.codec import Codec
from schemas.exchange import Replied

Shape = dict[str, Any]


def points_result(work: Work, replies: Sequence[Replied], codec: Codec) -> Shape:
    """`clusters`, `outliers`, `algorithm_quality` and what we add: of a whole batch, however many records it was."""
    answers = [codec.decode(reply.answer, PointsAnswered) for reply in replies if reply.answer is not None]
    labels = np.concatenate([np.asarray(answer.labels) for answer in answers])
    known = {cluster.cluster_id: cluster for answer in answers for cluster in answer.clusters}
    return {
        "clusters": [_members(known[label], work.points[labels == label]) for label in sorted(known)],
        "outliers": work.points[labels < 0],
        "algorithm_quality": answers[-1].algorithm_quality,
        "total_points": len(labels),
        "stream": work.stream,
        "duplicate": any(answer.duplicate for answer in answers),
        "positions": [str(reply.position) for reply in replies],
    }


def _members(cluster: AnsweredCluster, points: Any) -> Shape:
    return {
        "id": cluster.cluster_id,
        "center": points.mean(axis=0),
        "points": points,
        "size": len(points),
        "quality": cluster.quality,
        "created_at": iso(cluster.created_at),
        "last_updated": iso(cluster.updated_at),
        "total_size": cluster.size,
    }


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


def algorithm_status(entry: ClustersUpdated | None, stream: str, ready: bool, rate: float | None, now: int) -> Shape:
    """Figures of the stream, and of the worker that holds it. What is not known, since nothing was measured yet, is
    null; counts of what has not happened are 0."""
    if entry is None:
        nothing: Shape = dict.fromkeys(_MEASURED)
        return nothing | {"is_ready": ready, "stream": stream, **_NOTHING_YET}
    worker = entry.worker
    tried = entry.batches + entry.refused
    return {
        "is_ready": ready,
        "current_dynamic_threshold": entry.dynamic_threshold,
        "clustering_quality": entry.clustering_quality,
        "global_stability": entry.global_stability,
        "adaptation_rate": entry.adaptation_rate,
        "total_points_processed": entry.points,
        "average_processing_time_ms": worker.mean_ms,
        "max_processing_time_ms": worker.max_ms,
        "last_processing_time_ms": worker.last_ms,
        "memory_usage_mb": worker.memory_bytes / (1024 * 1024),
        "uptime_seconds": (now - worker.started_at) / 1_000_000,
        "throughput_points_per_second": rate,
        "error_rate": entry.refused / tried if tried else 0.0,
        "error_count": entry.refused,
        "drift_detected": entry.drift_detected,
        "active_clusters": len(entry.clusters),
        "last_drift_detection": None if entry.last_drift_at is None else iso(entry.last_drift_at),
        "performance_metrics": {
            "p50_latency_ms": worker.p50_ms,
            "p95_latency_ms": worker.p95_ms,
            "p99_latency_ms": worker.p99_ms,
        },
        "stream": stream,
        "algorithm": entry.algorithm,
        "dimension": entry.dimension,
        "outlier_rate": entry.outlier_rate,
        "worker": worker.worker,
    }


_MEASURED = (
    "current_dynamic_threshold",
    "clustering_quality",
    "global_stability",
    "adaptation_rate",
    "average_processing_time_ms",
    "max_processing_time_ms",
    "last_processing_time_ms",
    "memory_usage_mb",
    "uptime_seconds",
    "throughput_points_per_second",
    "last_drift_detection",
    "algorithm",
    "dimension",
    "outlier_rate",
    "worker",
)
_NOTHING_YET: Shape = {
    "total_points_processed": 0,
    "error_rate": 0.0,
    "error_count": 0,
    "drift_detected": False,
    "active_clusters": 0,
    "performance_metrics": {"p50_latency_ms": None, "p95_latency_ms": None, "p99_latency_ms": None},
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
        "position": None if entry is None else f"points.observed.v1-{entry.source_partition}-{entry.source_offset}",
    }


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
