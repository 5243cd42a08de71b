"""Answers in the documented shapes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from numpy.typing import NDArray

from ingest_api.clustering import answers
from ingest_api.clustering.models import AlgorithmStatus, ClustersSummary, StreamInfo
from ingest_api.clustering.submit import Work
from ingest_api.json import encode
from pipeline.clustering import tell
from schemas.clustering.points import AnsweredCluster, ClusteringConfig, PointsAnswered
from schemas.codec import Codec
from schemas.exchange import Replied
from tests.pipeline.clustering.batches import Bench, blobs

CODEC = Codec()

HOST = answers.Host(memory_bytes=3 * 1024 * 1024, started_at=1_000_000)
DOCUMENTED_STATUS = {
    "is_ready": True,
    "current_dynamic_threshold": 0.73,
    "clustering_quality": 0.92,
    "global_stability": 0.85,
    "adaptation_rate": 1.2,
    "total_points_processed": 50000,
    "average_processing_time_ms": 0.22,
    "max_processing_time_ms": 45.1,
    "memory_usage_mb": 12.4,
    "uptime_seconds": 86400.5,
    "throughput_points_per_second": 6309.2,
    "error_rate": 0.001,
    "drift_detected": False,
    "active_clusters": 8,
    "performance_metrics": {"p50_latency_ms": 0.15, "p95_latency_ms": 0.35, "p99_latency_ms": 1.2},
}


def reply(part: int, labels: list[int], *, duplicate: bool = False) -> Replied:
    clusters = [AnsweredCluster(label, 9, 0.5, 1, 2) for label in sorted(set(labels)) if label >= 0]
    answer = PointsAnswered("s", 1, duplicate, 0.8, 1.0, clusters, labels, np.full(len(labels), 0.5))
    return Replied("req_1", part, "points.observed.v1", 0, 7 + part, None, None, CODEC.encode(answer))


def test_the_parts_of_a_request_are_one_answer() -> None:
    work = Work("s", np.arange(10.0).reshape(5, 2), "key:me")
    told = answers.told_of([reply(0, [1, -1, 2]), reply(1, [2, 1], duplicate=True)], CODEC)
    result = answers.points_result(work, told)
    assert [cluster["id"] for cluster in result["clusters"]] == [1, 2]
    assert result["clusters"][0]["points"].tolist() == [[0.0, 1.0], [8.0, 9.0]]
    assert result["clusters"][0]["center"].tolist() == [4.0, 5.0]
    assert result["clusters"][1]["size"] == 2
    assert result["outliers"].tolist() == [[2.0, 3.0]]
    assert (result["total_points"], result["duplicate"]) == (5, True)
    assert result["positions"] == ["points.observed.v1-0-7", "points.observed.v1-0-8"]
    assert encode(result)


@given(
    arrays.arrays(
        np.float64,
        arrays.array_shapes(min_dims=2, max_dims=2, max_side=5),
        elements=st.floats(allow_nan=False, allow_infinity=False),
    )
)
@example(np.full((3, 1), np.finfo(np.float64).max))
def test_a_center_lies_between_its_points_however_large_they_are(points: NDArray[np.float64]) -> None:
    told = answers.told_of([reply(0, [1] * len(points))], CODEC)
    [cluster] = answers.points_result(Work("s", points, "me"), told)["clusters"]
    half, slack = cluster["center"] / 2, 1e-9 * np.abs(points).max(axis=0)  # halves, so that no sum overflows
    assert np.isfinite(half).all()
    assert (half <= points.max(axis=0) / 2 + slack).all()
    assert (half >= points.min(axis=0) / 2 - slack).all()


@pytest.mark.parametrize("algorithm", [None, "adaptive", "river.DBSTREAM"])
def test_a_status_has_a_number_wherever_the_interface_has_one(algorithm: str | None) -> None:
    """The interface's own example, key by key; its one date is null where there was no drift."""
    bench, entry = Bench(), None
    if algorithm is not None:
        bench.learn(blobs(300), config=ClusteringConfig(algorithm))
        entry = tell.updated(bench.state, bench.step._meter, bench.clock.now)
    status = answers.algorithm_status(entry, "s", True, None, bench.clock.now, HOST)
    for name, shown in DOCUMENTED_STATUS.items():
        assert type(status[name]) is type(shown), name
        if isinstance(shown, dict):
            assert {key: type(value) for key, value in status[name].items()} == dict.fromkeys(shown, float)
    assert set(status["unmeasured"]) <= {name for name, value in status.items() if value == 0}


@pytest.mark.parametrize("algorithm", ["adaptive", "river.DBSTREAM"])
def test_summary_status_and_info_fit_their_models(algorithm: str) -> None:
    bench = Bench()
    bench.learn(blobs(300), config=ClusteringConfig(algorithm))
    entry = tell.updated(bench.state, bench.step._meter, bench.clock.now)
    rows = range(len(entry.clusters))
    for model, shape in (
        (ClustersSummary, answers.summary(entry, rows, rows[:2], bench.clock.now)),
        (AlgorithmStatus, answers.algorithm_status(entry, "s", True, 1.5, bench.clock.now, HOST)),
        (StreamInfo, answers.stream_info(entry)),
    ):
        model.model_validate_json(encode(shape), strict=True)
        assert set(shape) == set(model.model_fields)


def test_a_stream_without_points_has_figures_of_nothing() -> None:
    status = answers.algorithm_status(None, "default", True, None, 5_000_000, HOST)
    AlgorithmStatus.model_validate_json(encode(status), strict=True)
    assert set(status) == set(AlgorithmStatus.model_fields)
    assert (status["memory_usage_mb"], status["uptime_seconds"]) == (3.0, 4.0)
    assert status["clustering_quality"] == 0.0
    assert "clustering_quality" in status["unmeasured"]
    summary = answers.summary(None, [], [], 5)
    ClustersSummary.model_validate(summary)
    assert set(summary) == set(ClustersSummary.model_fields)
