"""The adaptive learner as a whole: known answers, both engines, quality on streams with known truth."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import adjusted_rand_score, homogeneity_score

from pipeline.clustering.adaptive.model import AdaptiveLearner, AdaptiveSettings
from pipeline.clustering.choose import restore
from pipeline.learning import streams
from pipeline.learning.learner import Override

THREE = np.array([[1.0, 2.0, 3.0], [1.1, 2.1, 3.1], [5.0, 6.0, 7.0]])


def learned(
    stream: streams.Stream, settings: AdaptiveSettings, size: int = 1000
) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    learner = AdaptiveLearner(stream.points.shape[1], settings)
    parts = [learner.learn(stream.points[start : start + size]).labels for start in range(0, len(stream.points), size)]
    return np.concatenate(parts)


def windowed_ari(stream: streams.Stream, labels: np.ndarray[tuple[int], np.dtype[np.int64]]) -> float:
    windows = np.arange(len(labels)) // 1000
    known = stream.truth >= 0
    scores = [
        adjusted_rand_score(stream.truth[(windows == w) & known], labels[(windows == w) & known])
        for w in range(windows[-1] + 1)
    ]
    return float(np.mean(scores))


@pytest.mark.parametrize("engine", ["numba", "numpy"])
def test_two_near_points_and_a_far_one_are_a_cluster_and_an_outlier_at_once(engine: str) -> None:
    learner = AdaptiveLearner(3, AdaptiveSettings(engine=engine))
    judgement = learner.learn(THREE)
    assert judgement.labels.tolist() == [1, 1, -1]
    (cluster,) = learner.clusters()
    assert (cluster.cluster_id, cluster.size, cluster.health) == (1, 2, "healthy")
    assert cluster.center == pytest.approx([1.05, 2.05, 3.05])
    assert cluster.quality == pytest.approx(0.96, abs=0.01)
    status = learner.status()
    assert (status.points, status.outliers, status.active_clusters) == (3, 1, 1)
    assert status.clustering_quality == pytest.approx(0.93, abs=0.01)
    assert status.global_stability == 1.0
    assert status.adaptation_rate == 1.0


@pytest.mark.parametrize("name", ["blobs D=3", "noise 5 % D=10", "evolving D=3", "abrupt D=10", "drifting D=50"])
def test_both_engines_give_the_same_labels(name: str) -> None:
    stream = streams.STRUCTURED[name]()
    part = streams.Stream(stream.points[3500:6500], stream.truth[3500:6500])
    compiled = learned(part, AdaptiveSettings(), 250)
    plain = learned(part, AdaptiveSettings(engine="numpy"), 250)
    assert (compiled == plain).all()


def test_structure_is_found() -> None:
    scores = {
        name: windowed_ari(make(), learned(make(), AdaptiveSettings())) for name, make in streams.STRUCTURED.items()
    }
    assert np.mean(list(scores.values())) > 0.93, scores
    assert min(scores.values()) > 0.65, scores


@pytest.mark.parametrize(("k", "dimension"), [(30, 10), (45, 10), (45, 4)])
def test_many_clusters_are_told_apart(k: int, dimension: int) -> None:
    stream = streams.blobs(k, n=30_000, dimension=dimension, k=k)
    labels = learned(stream, AdaptiveSettings(max_clusters=100))
    assert windowed_ari(stream, labels) > 0.95


@pytest.mark.parametrize(("seed", "dimension"), [(1, 3), (2, 10), (3, 50)])
def test_a_single_group_is_not_shattered(seed: int, dimension: int) -> None:
    labels = learned(streams.unimodal(seed, dimension=dimension), AdaptiveSettings())
    late = labels[5000:]
    assert np.bincount(late[late > 0]).max() / len(late) > 0.9


@pytest.mark.parametrize("end", [32, 128])
def test_ids_outlive_the_replays_of_the_warm_up(end: int) -> None:
    stream = streams.blobs(3, n=200, dimension=10, k=3)
    learner = AdaptiveLearner(10)
    learner.learn(stream.points[: end - 1])
    ids = {c.cluster_id for c in learner.clusters()}
    before = learner.judge(stream.points[: end - 1]).labels
    learner.learn(stream.points[end - 1 : end])
    after = learner.judge(stream.points[: end - 1]).labels
    assert len(ids) >= 3
    kept = {c.cluster_id for c in learner.clusters()} & ids
    assert len(kept) >= 3
    assert (before == after)[before > 0].mean() > 0.8
    assert all(c.cluster_id in ids or c.cluster_id > max(ids) for c in learner.clusters())


def test_a_batch_is_labelled_by_the_model_after_it_merges_and_replays_included() -> None:
    stream = streams.blobs(4, n=1500, dimension=10)
    learner = AdaptiveLearner(10)
    labels = learner.learn(stream.points).labels
    assert set(labels.tolist()) <= {c.cluster_id for c in learner.clusters()} | {-1}
    assert adjusted_rand_score(stream.truth, labels) > 0.98
    assert (labels > 0).mean() > 0.98


def test_outliers_are_taken_back_when_their_group_becomes_a_cluster() -> None:
    rng = np.random.default_rng(1)
    learner = AdaptiveLearner(5)
    learner.learn(rng.normal(size=(2000, 5)) + 20.0 * rng.integers(0, 2, (2000, 1)))
    settled = learner.status().outliers
    newcomers = rng.normal(size=(60, 5)) - 60.0
    few = learner.learn(newcomers[:3])
    assert few.labels.tolist() == [-1, -1, -1]
    assert learner.status().outliers == settled + 3
    rest = learner.learn(newcomers[3:])
    assert (rest.labels > 0).all()
    assert learner.status().outliers == settled


def test_a_wider_cap_for_one_batch_makes_room_and_stays_exact() -> None:
    stream = streams.blobs(40, n=6000, dimension=10, k=40)
    learner, again = (AdaptiveLearner(10, AdaptiveSettings(max_clusters=5)) for _ in range(2))
    for start in range(0, 6000, 500):
        learner.learn(stream.points[start : start + 500], Override(max_clusters=100))
        for point in range(start, start + 500, 100):
            again.learn(stream.points[point : point + 100], Override(max_clusters=100))
    assert len(learner.clusters()) == 40
    assert learner.snapshot() == again.snapshot()
    assert restore(learner.snapshot()).snapshot() == learner.snapshot()


def test_a_narrower_cap_for_one_batch_destroys_nothing() -> None:
    stream = streams.blobs(7, n=4000, dimension=10, k=8)
    learner = AdaptiveLearner(10)
    learner.learn(stream.points[:3000])
    learner.learn(stream.points[3000:3100], Override(max_clusters=2))
    assert len(learner.clusters()) == 8


def test_the_cap_holds() -> None:
    learner = AdaptiveLearner(10, AdaptiveSettings(max_clusters=4))
    stream = streams.blobs(8, n=5000, dimension=10, k=20)
    for start in range(0, 5000, 100):
        learner.learn(stream.points[start : start + 100])
        assert len(learner.clusters()) <= 4


def test_a_threshold_for_one_batch_holds_for_that_batch() -> None:
    stream = streams.blobs(9, n=3000, dimension=3)
    strict, usual = AdaptiveLearner(3), AdaptiveLearner(3)
    strict.learn(stream.points[:2000])
    usual.learn(stream.points[:2000])
    few = strict.learn(stream.points[2000:2200], Override(threshold=0.98))
    many = usual.learn(stream.points[2000:2200])
    assert (few.labels < 0).sum() > 3 * max(1, (many.labels < 0).sum())


@pytest.mark.parametrize(
    "override",
    [Override(threshold=1.5), Override(max_clusters=0), Override(learning_rate=0.3), Override(max_clusters=101)],
)
def test_an_override_out_of_range_is_refused_and_changes_nothing(override: Override) -> None:
    learner = AdaptiveLearner(3)
    learner.learn(THREE)
    before = learner.snapshot()
    with pytest.raises(ValueError, match="must be a number from"):
        learner.learn(THREE, override)
    assert learner.snapshot() == before


@pytest.mark.parametrize("dimension", [1, 3, 20, 64, 65, 150])
def test_the_state_is_the_same_to_the_bit_whatever_the_batches(dimension: int) -> None:
    points = streams.abrupt(dimension, n=6000, dimension=dimension, changes=1).points
    points[::97] *= 50.0
    whole, halves, pieces, kept = (AdaptiveLearner(dimension) for _ in range(4))
    whole.learn(points)
    halves.learn(points[:3000])
    halves.learn(points[3000:])
    for start in range(0, len(points), 7):
        pieces.learn(points[start : start + 7])
    for start in range(0, len(points), 1000):
        kept.learn(points[start : start + 1000])
        kept = AdaptiveLearner.restore(kept.snapshot())
    assert halves.snapshot() == whole.snapshot()
    assert pieces.snapshot() == whole.snapshot()
    assert kept.snapshot() == whole.snapshot()


@pytest.mark.parametrize("dimension", [2, 64, 65, 300])
def test_the_search_finds_what_comparing_with_every_group_finds(dimension: int) -> None:
    stream = streams.blobs(dimension, n=3000, dimension=dimension, k=20)
    compiled, plain = AdaptiveLearner(dimension), AdaptiveLearner(dimension, AdaptiveSettings(engine="numpy"))
    expected = plain.learn(stream.points)
    found = compiled.learn(stream.points)
    assert found.labels.tolist() == expected.labels.tolist()
    assert found.similarities == pytest.approx(expected.similarities)
    assert [c.size for c in compiled.clusters()] == [c.size for c in plain.clusters()]


def test_units_and_offsets_of_the_data_make_no_difference() -> None:
    stream = streams.blobs(11, n=3000, dimension=4)
    plain = learned(stream, AdaptiveSettings())
    factors = np.array([1e-4, 1.0, 1e3, 1e5])
    other = streams.Stream(stream.points * factors + 1e6 * factors, stream.truth)
    assert adjusted_rand_score(plain[200:], learned(other, AdaptiveSettings())[200:]) > 0.95


def test_memory_is_bounded_by_the_cap_and_the_dimension() -> None:
    learner = AdaptiveLearner(20)
    rng = np.random.default_rng(2)
    for _ in range(20):
        learner.learn(rng.uniform(-1e3, 1e3, (1000, 20)))
    assert len(learner.snapshot()) < 2 * (30 + 16) * 20 * 8 + 128 * 20 * 8 + 20_000


def test_a_dimension_that_wakes_up_late_is_noticed() -> None:
    rng = np.random.default_rng(4)
    points = np.column_stack([rng.normal(size=6000), np.zeros(6000)])
    points[2000:, 1] = 20.0 * rng.integers(0, 2, 4000) + rng.normal(size=4000)
    labels = learned(streams.Stream(points, np.zeros(6000, np.int64)), AdaptiveSettings())
    assert homogeneity_score(points[5000:, 1] > 10.0, labels[5000:]) > 0.95
