"""Examples for OpenAPI. A test runs each body against the running system and holds the answers against these."""

from __future__ import annotations

from typing import Any

Example = dict[str, Any]

_BEGAN, _NOW = "2025-01-15T10:29:58.120Z", "2025-01-15T10:30:00.000Z"
_ID = "req_0123456789abcdef01234567"
_FIRST: list[list[float]] = [[1.0, 2.0, 3.0], [1.1, 2.1, 3.1]]
_OTHER: list[list[float]] = [[5.0, 6.0, 7.0], [5.1, 6.1, 7.1]]

CLUSTERING_CONFIG: Example = {"threshold": 0.71, "max_clusters": 30}

PROCESS_POINTS: Example = {
    "points": [*_FIRST, _OTHER[0]],
    "batch_mode": False,
    "timeout": 30_000,
    "clustering_config": CLUSTERING_CONFIG,
}

PROCESSED: Example = {
    "clusters": [
        {
            "id": 1,
            "center": [1.05, 2.05, 3.05],
            "points": _FIRST,
            "size": 2,
            "quality": 0.96,
            "created_at": _NOW,
            "last_updated": _NOW,
            "total_size": 2,
        }
    ],
    "outliers": [_OTHER[0]],
    "algorithm_quality": 0.93,
    "total_points": 3,
    "stream": "default",
    "duplicate": False,
    "positions": ["points.observed.v1-2-41"],
    "processing_time_ms": 6.2,
    "request_id": _ID,
}

ACCEPTED: Example = {
    "request_id": _ID,
    "status": "accepted",
    "positions": ["points.observed.v1-2-41"],
    "location": f"/api/v1/requests/{_ID}",
}

PROCESS_BATCH: Example = {
    "batches": [{"batch_id": "batch_001", "points": _FIRST}, {"batch_id": "batch_002", "points": _OTHER}],
    "processing_options": {"parallel": True, "max_concurrent": 4, "timeout_per_batch": 60_000},
}


def _batch(number: int, points: list[list[float]], center: list[float]) -> Example:
    cluster = PROCESSED["clusters"][0] | {"id": number, "points": points, "center": center, "quality": 0.99}
    return {
        "batch_id": f"batch_00{number}",
        "status": "success",
        "clusters": [cluster],
        "outliers": [],
        "request_id": _ID,
        "algorithm_quality": 0.97,
        "total_points": 2,
        "stream": "default",
        "duplicate": False,
        "positions": [f"points.observed.v1-2-{40 + number}"],
        "processing_time_ms": 7.4,
    }


PROCESSED_BATCHES: Example = {
    "batch_results": [_batch(1, _FIRST, [1.05, 2.05, 3.05]), _batch(2, _OTHER, [5.05, 6.05, 7.05])],
    "total_batches": 2,
    "successful_batches": 2,
    "failed_batches": 0,
    "total_processing_time_ms": 9.1,
    "request_id": "req_0123456789abcdef",
}

CLUSTERS_SUMMARY: Example = {
    "num_active_clusters": 1,
    "cluster_ids": [1],
    "clusters_info": [
        {
            "cluster_id": 1,
            "size": 2,
            "center": [1.05, 2.05, 3.05],
            "confidence": 0.2,
            "health_status": "healthy",
            "quality_score": 0.96,
            "drift_coefficient": 0.0,
            "last_updated": _BEGAN,
            "created_at": _BEGAN,
        }
    ],
    "total_points_processed": 3,
    "average_cluster_confidence": 0.2,
    "cluster_distribution": {"healthy": 1, "warning": 0, "critical": 0},
    "summary_timestamp": _NOW,
    "position": "points.observed.v1-2-41",
}

ALGORITHM_STATUS: Example = {
    "is_ready": True,
    "current_dynamic_threshold": 0.9,
    "clustering_quality": 0.93,
    "global_stability": 1.0,
    "adaptation_rate": 1.0,
    "total_points_processed": 3,
    "average_processing_time_ms": 0.61,
    "max_processing_time_ms": 4.8,
    "last_processing_time_ms": 0.35,
    "memory_usage_mb": 241.7,
    "uptime_seconds": 86400.5,
    "throughput_points_per_second": 1.6,
    "error_rate": 0.0,
    "error_count": 0,
    "drift_detected": False,
    "active_clusters": 1,
    "last_drift_detection": None,
    "performance_metrics": {"p50_latency_ms": 0.35, "p95_latency_ms": 0.9, "p99_latency_ms": 2.1},
    "stream": "default",
    "algorithm": "adaptive",
    "dimension": 3,
    "outlier_rate": 0.33,
    "worker": "worker-0",
    "unmeasured": [],
}

STREAM_INFO: Example = {
    "stream": "default",
    "algorithm": "adaptive",
    "dimension": 3,
    "total_points_processed": 3,
    "active_clusters": 1,
    "created_at": _BEGAN,
    "last_updated": _NOW,
}

STREAM_LIST: Example = {"streams": [STREAM_INFO], "total": 1}

ORDERED: Example = {"stream": "default", "action": "reset", "position": "points.observed.v1-2-42"}
