"""The clustering street, live: clusters as they change, drift, and outliers."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ingest_api.live.message import Message
from ingest_api.live.watch import Watch
from pipeline.clock import iso
from schemas.clustering.clusters import ClustersUpdated, DriftDetected
from schemas.clustering.points import OutliersDetected
from schemas.clustering.topics import CLUSTERS, DRIFT, OBSERVED, OUTLIERS
from schemas.position import Position

MAX_OUTLIERS = 100
"""Outlying points one message carries; `count` tells how many there were."""


def changed_clusters(record: ClustersUpdated) -> list[Message]:
    """One `cluster_update` for each cluster that changed, then the state of the algorithm."""
    changed = (row for row, cluster in enumerate(record.clusters) if cluster.changed)
    return [*_clusters(record, changed), _status(record)]


def all_clusters(record: ClustersUpdated) -> list[Message]:
    """The same for every cluster."""
    return [*_clusters(record, range(len(record.clusters))), _status(record)]


def stream_deleted(stream: str, at: int) -> list[Message]:
    return [Message("stream_deleted", stream, at, {"stream": stream}, key=(stream, "deleted"), ends_stream=True)]


def drift(record: DriftDetected) -> list[Message]:
    data = {
        "stream": record.stream,
        "severity": record.severity,
        "affected_clusters": record.affected_clusters,
        "recommendation": record.recommendation,
        "signal": record.signal,
        "statistic": record.statistic,
        "at_point": record.at_point,
        "position": _position(record),
    }
    return [Message("drift_detection", record.stream, record.detected_at, data)]


def outliers(record: OutliersDetected) -> list[Message]:
    told = slice(MAX_OUTLIERS)
    width = record.dimension
    rows = range(len(record.indices[told]))
    data = {
        "stream": record.stream,
        "batch_id": record.batch_id,
        "count": len(record.indices),
        "indices": record.indices[told],
        "points": [record.values[row * width : (row + 1) * width] for row in rows],
        "similarities": record.similarities[told],
        "position": _position(record),
    }
    return [Message("outliers_detected", record.stream, record.detected_at, data)]


def _clusters(record: ClustersUpdated, rows: Iterable[int]) -> Iterable[Message]:
    for row in rows:
        cluster = record.clusters[row]
        data = {
            "stream": record.stream,
            "cluster_id": cluster.cluster_id,
            "center": record.center(row),
            "size": cluster.size,
            "quality": cluster.quality,
            "confidence": cluster.confidence,
            "health_status": cluster.health,
            "drift_coefficient": cluster.drift_coefficient,
            "weight": cluster.weight,
            "created_at": iso(cluster.created_at),
            "updated_at": iso(cluster.updated_at),
        }
        yield Message("cluster_update", record.stream, record.updated_at, data, key=(record.stream, cluster.cluster_id))


def _status(record: ClustersUpdated) -> Message:
    data: dict[str, Any] = {
        "stream": record.stream,
        "algorithm": record.algorithm,
        "clustering_quality": record.clustering_quality or 0.0,
        "active_clusters": len(record.clusters),
        # Clusters that merged or expired are told by their absence here.
        "cluster_ids": [cluster.cluster_id for cluster in record.clusters],
        "drift_detected": record.drift_detected,
        "global_stability": record.global_stability,
        "adaptation_rate": record.adaptation_rate,
        "dynamic_threshold": record.dynamic_threshold,
        "outlier_rate": record.outlier_rate,
        "total_points_processed": record.points,
        "outliers_detected": record.outliers,
        "unmeasured": ["clustering_quality"] if record.clustering_quality is None else [],
        "position": _position(record),
    }
    return Message("algorithm_status", record.stream, record.updated_at, data, key=(record.stream, "status"))


def _position(record: ClustersUpdated | DriftDetected | OutliersDetected) -> str:
    return str(Position(OBSERVED.name, record.source_partition, record.source_offset))


def _source(record: ClustersUpdated | OutliersDetected) -> tuple[int, int]:
    return record.source_offset, 0


def _drift_source(record: DriftDetected) -> tuple[int, int]:
    return record.source_offset, record.ordinal


READ = "clustering:read"
WATCHES: tuple[Watch, ...] = (
    Watch("clusters", CLUSTERS, READ, changed_clusters, _source, gone=stream_deleted, snapshot=all_clusters),
    Watch("drift", DRIFT, READ, drift, _drift_source),
    Watch("outliers", OUTLIERS, READ, outliers, _source),
)
