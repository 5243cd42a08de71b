"""What is said of a stream is what its learner says, written so that others can read it."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.clustering import tell
from pipeline.clustering.state import StreamState
from pipeline.learning.learner import Drift, Judgement
from pipeline.telemetry import Meter
from schemas.clustering.clusters import ClustersUpdated, DriftDetected
from schemas.clustering.points import ClusteringConfig
from schemas.codec import Codec
from tests.pipeline.clustering.batches import Bench, blobs, observed

CODEC = Codec()
ONE = Judgement(np.array([1]), np.array([1.0]))


@pytest.mark.parametrize("algorithm", ["adaptive", "river.DBSTREAM"])
def test_a_stream_is_told_as_its_learner_has_it(algorithm: str) -> None:
    bench = Bench()
    bench.learn(blobs(500), config=ClusteringConfig(algorithm))
    learner = bench.state.learner
    assert learner is not None
    meter = Meter("worker-7", bench.clock)
    meter.note(3.5, 500)
    told = CODEC.decode(CODEC.encode(tell.updated(bench.state, meter, 99)), ClustersUpdated)
    clusters, status = learner.clusters(), learner.status()
    assert [each.cluster_id for each in told.clusters] == [each.cluster_id for each in clusters]
    for row, cluster in enumerate(clusters):
        assert np.array_equal(told.center(row), cluster.center)
        assert (told.clusters[row].quality, told.clusters[row].health) == (cluster.quality, cluster.health)
        assert told.created_at <= told.clusters[row].created_at <= told.clusters[row].updated_at
    assert (told.algorithm, told.dimension, told.points, told.batches) == (algorithm, 3, 500, 1)
    assert (told.clustering_quality, told.outliers) == (status.clustering_quality, status.outliers)
    assert (told.worker.worker, told.worker.p50_ms, told.worker.points) == ("worker-7", 3.5, 500)
    assert told.worker.memory_bytes > 10_000_000


def test_a_stream_without_a_model_is_told_empty() -> None:
    told = tell.updated(StreamState(stream="s"), Meter("w", lambda: 1), 2)
    assert (told.clusters, told.centers.size, told.points, told.clustering_quality) == ([], 0, 0, None)
    assert CODEC.decode(CODEC.encode(told), ClustersUpdated).worker.p99_ms is None


def test_only_the_clusters_a_batch_met_are_in_its_answer() -> None:
    bench = Bench()
    bench.learn(blobs(500))
    learner = bench.state.learner
    assert learner is not None
    chosen = learner.clusters()[1]
    judgement = Judgement(np.array([chosen.cluster_id, -1]), np.array([0.9, 0.1]))
    answer = tell.answer(bench.state, learner, judgement, 1.5, first_point=501)
    assert [cluster.cluster_id for cluster in answer.clusters] == [chosen.cluster_id]
    assert (answer.clusters[0].size, answer.first_point, answer.duplicate) == (chosen.size, 501, False)


@pytest.mark.parametrize(("severity", "affected", "said"), [(0.9, (), "reset"), (0.1, (3, 4), "3, 4")])
def test_a_drift_comes_with_what_to_do(severity: float, affected: tuple[int, ...], said: str) -> None:
    batch = tell.clustered(Bench().received(observed([[1.0]])), ONE, 7, 9)
    drift = Drift(at=7, signal="fit", statistic=1.5, severity=severity, affected=affected)
    told = CODEC.decode(CODEC.encode(tell.drifted(batch, drift, 1)), DriftDetected)
    assert said in told.recommendation
    assert (told.at_point, told.ordinal, told.affected_clusters) == (7, 1, list(affected))


def test_a_batch_without_outliers_tells_of_none() -> None:
    assert tell.outliers(tell.clustered(Bench().received(observed([[1.0]])), ONE, 1, 9)) is None
