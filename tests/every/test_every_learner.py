"""What every learner promises, tried on each: both engines of the adaptive one, and River's."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from pipeline.clustering.choose import ALGORITHMS, LearnerConfig, Parameter, create, restore
from pipeline.learning import streams
from pipeline.learning.checkpoint import SnapshotError, pack, unpack
from pipeline.learning.learner import Learner, Override

Points = NDArray[np.float64]


@dataclass(frozen=True)
class Maker:
    label: str
    config: LearnerConfig

    def __call__(self, dimension: int) -> Learner:
        return create(self.config, dimension)


# few micro-clusters and an early start, so that short streams reach every part
PEERS: dict[str, dict[str, Parameter]] = {
    "river.DBSTREAM": {"clustering_threshold": 3.0},
    "river.CluStream": {"max_micro_clusters": 20, "time_gap": 50},
    "river.KMeans": {},
    "river.STREAMKMeans": {"chunk_size": 7, "n_clusters": 4},
    "river.DenStream": {"n_samples_init": 50, "epsilon": 0.8},
}
MAKERS = [
    Maker("adaptive-numba", LearnerConfig()),
    Maker("adaptive-numpy", LearnerConfig(parameters={"engine": "numpy"})),
    *(Maker(name, LearnerConfig(name, parameters)) for name, parameters in PEERS.items()),
]


@pytest.fixture(params=MAKERS, ids=lambda maker: maker.label)
def make(request: pytest.FixtureRequest) -> Maker:
    maker: Maker = request.param
    return maker


def in_chunks(learner: Learner, points: Points, size: int) -> None:
    for start in range(0, len(points), size):
        learner.learn(points[start : start + size])


def figures(learner: Learner) -> tuple[Any, ...]:
    told = [(c.cluster_id, c.size, c.weight, c.center.tolist(), c.created, c.updated) for c in learner.clusters()]
    return told, learner.status()


def test_every_algorithm_offered_is_tried_here() -> None:
    assert {maker.config.algorithm for maker in MAKERS} == set(ALGORITHMS)


def test_a_learner_says_its_name_and_dimension(make: Maker) -> None:
    learner = make(4)
    assert isinstance(learner, Learner)
    assert (learner.name, learner.dimension) == (make.config.algorithm, 4)


def test_a_new_learner_knows_no_cluster(make: Maker) -> None:
    learner = make(2)
    judgement = learner.judge(np.ones((3, 2)))
    assert judgement.labels.tolist() == [-1, -1, -1]
    assert judgement.similarities.tolist() == [0.0, 0.0, 0.0]
    assert list(learner.clusters()) == []
    assert (learner.status().points, learner.status().active_clusters, learner.status().last_drift) == (0, 0, None)


@pytest.mark.parametrize("size", [1, 7, 64, 333])
def test_the_state_does_not_depend_on_the_batches(make: Maker, size: int) -> None:
    points = streams.evolving(2, n=700, dimension=3).points
    whole, pieces = make(3), make(3)
    whole.learn(points)
    in_chunks(pieces, points, size)
    assert pieces.snapshot() == whole.snapshot()
    assert figures(pieces) == figures(whole)


@pytest.mark.parametrize("cut", [0, 1, 31, 128, 400])
def test_a_restored_learner_goes_on_as_if_nothing_had_happened(make: Maker, cut: int) -> None:
    points = streams.blobs(4, n=600, dimension=3).points
    steady, stopped = make(3), make(3)
    in_chunks(steady, points[:cut], 50)
    in_chunks(stopped, points[:cut], 50)
    again = restore(stopped.snapshot())
    assert again.snapshot() == stopped.snapshot()
    assert figures(again) == figures(steady)
    before, after = steady.learn(points[cut:]), again.learn(points[cut:])
    assert before.labels.tolist() == after.labels.tolist()
    assert before.similarities.tolist() == after.similarities.tolist()
    assert again.snapshot() == steady.snapshot()


def test_judging_and_asking_change_nothing(make: Maker) -> None:
    points = streams.blobs(5, n=400, dimension=3).points
    asked, left = make(3), make(3)
    for start in range(0, 400, 37):
        asked.learn(points[start : start + 37])
        left.learn(points[start : start + 37])
        first = asked.judge(points[:20])
        asked.clusters()
        asked.status()
        assert asked.judge(points[:20]).labels.tolist() == first.labels.tolist()
    assert asked.snapshot() == left.snapshot()


def test_what_is_given_back_is_no_part_of_the_state(make: Maker) -> None:
    learner = make(2)
    points = streams.blobs(6, n=300, dimension=2).points
    kept = points.copy()
    learner.learn(points)
    before = learner.snapshot()
    assert (points == kept).all()
    for cluster in learner.clusters():
        cluster.center[:] = 1e9
    points[:] = -1e9
    assert learner.snapshot() == before


def test_read_only_and_odd_views_of_points_are_taken(make: Maker) -> None:
    points = streams.blobs(7, n=200, dimension=3).points
    plain, odd = make(3), make(3)
    plain.learn(points)
    odd.learn(np.frombuffer(points.tobytes(), np.float64).reshape(-1, 3)[:100])
    odd.learn(np.asfortranarray(points[100:]))
    assert odd.snapshot() == plain.snapshot()


def test_labels_are_listed_clusters_or_outliers_and_similarities_lie_between_0_and_1(make: Maker) -> None:
    learner = make(3)
    points = streams.blobs(8, n=1500, dimension=3, noise=0.1).points
    for start in range(0, len(points), 100):
        judgement = learner.learn(points[start : start + 100])
        assert judgement.labels.dtype == np.int64
        assert judgement.labels.shape == judgement.similarities.shape == (100,)
        assert ((judgement.similarities >= 0) & (judgement.similarities <= 1)).all()
        assert set(judgement.labels.tolist()) <= {c.cluster_id for c in learner.clusters()} | {-1}


def test_ids_begin_at_1_ascend_and_are_never_given_to_another_cluster(make: Maker) -> None:
    learner = make(3)
    points = np.vstack([streams.abrupt(9, n=2000, dimension=3).points, streams.blobs(10, n=500, dimension=3).points])
    founded: dict[int, int] = {}
    gone: set[int] = set()
    for start in range(0, len(points), 25):
        learner.learn(points[start : start + 25])
        clusters = learner.clusters()
        ids = [c.cluster_id for c in clusters]
        assert ids == sorted(set(ids))
        assert all(identity >= 1 for identity in ids)
        if learner.name != "adaptive":  # its clusters may be on probation for a while and come back as themselves
            assert not gone & set(ids)
        for cluster in clusters:
            assert 1 <= cluster.created <= cluster.updated <= start + 25
        gone |= set(founded) - set(ids)
        founded |= dict.fromkeys(ids, start)
    assert founded


def test_points_are_counted(make: Maker) -> None:
    learner = make(3)
    in_chunks(learner, streams.blobs(11, n=640, dimension=3).points, 64)
    status = learner.status()
    assert status.points == 640
    assert 0 <= status.outliers <= 640
    assert status.active_clusters == len(learner.clusters())
    assert sum(c.size for c in learner.clusters()) <= 640


@pytest.mark.parametrize("dimension", [1, 2, 17, 257, 1000])
def test_any_dimension_works(make: Maker, dimension: int) -> None:
    learner = make(dimension)
    n = 140 if dimension < 500 or learner.name == "adaptive" else 60
    points = streams.blobs(12, n=n, dimension=dimension, k=3).points
    judgement = learner.learn(points)
    assert judgement.labels.shape == (n,)
    assert restore(learner.snapshot()).snapshot() == learner.snapshot()
    assert all(c.center.shape == (dimension,) for c in learner.clusters())


ODD: dict[str, Callable[[np.random.Generator], Points]] = {
    "constant": lambda rng: np.full((300, 3), 7.25),
    "zero": lambda rng: np.zeros((300, 3)),
    "two places": lambda rng: np.repeat([[0.0, 0.0, 0.0], [1.0, 1.0, 1.0]], 150, axis=0),
    "one living dimension": lambda rng: np.column_stack([rng.normal(size=300), np.full(300, 5.0), np.zeros(300)]),
    "huge": lambda rng: rng.normal(size=(300, 3)) * 1e100,
    "tiny": lambda rng: rng.normal(size=(300, 3)) * 1e-100,
    "beyond squaring": lambda rng: rng.normal(size=(300, 3)) * 1e307,
    "all magnitudes": lambda rng: rng.normal(size=(300, 3)) * 10.0 ** rng.integers(-100, 100, (300, 3)),
    "far from the origin": lambda rng: rng.normal(size=(300, 3)) + 1e9,
    "unlike units": lambda rng: rng.normal(size=(300, 3)) * [1e6, 1.0, 1e-6],
    "alternating signs": lambda rng: np.where(np.arange(300)[:, None] % 2, 1e200, -1e200) * np.ones(3),
}


@pytest.mark.parametrize("kind", ODD)
def test_odd_data_gives_numbers_and_no_nan(make: Maker, kind: str) -> None:
    points = ODD[kind](np.random.default_rng(1))
    learner = make(3)
    for start in range(0, 300, 60):
        judgement = learner.learn(points[start : start + 60])
        assert ((judgement.similarities >= 0) & (judgement.similarities <= 1)).all()
    for cluster in learner.clusters():
        assert np.isfinite(cluster.center).all()
        assert np.isfinite(cluster.weight)
        for figure in (cluster.quality, cluster.confidence, cluster.drift_coefficient):
            assert figure is None or 0.0 <= figure <= 1.0
    status = learner.status()
    for figure in (status.clustering_quality, status.global_stability, status.dynamic_threshold, status.outlier_rate):
        assert figure is None or 0.0 <= figure <= 1.0
    assert status.adaptation_rate is None or np.isfinite(status.adaptation_rate)
    assert restore(learner.snapshot()).snapshot() == learner.snapshot()


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    points=arrays(
        np.float64, st.tuples(st.integers(1, 90), st.just(2)), elements=st.floats(allow_nan=False, allow_infinity=False)
    ),
    cuts=st.lists(st.integers(0, 90), max_size=3),
)
def test_any_finite_points_in_any_batches_are_learned_alike(make: Maker, points: Points, cuts: list[int]) -> None:
    whole, pieces = make(2), make(2)
    judgement = whole.learn(points)
    for piece in np.split(points, sorted(min(cut, len(points)) for cut in cuts)):
        pieces.learn(piece)
    assert pieces.snapshot() == whole.snapshot()
    assert ((judgement.similarities >= 0) & (judgement.similarities <= 1)).all()


@pytest.mark.parametrize("shape", [(2, 4), (3,), (0, 2)])
def test_points_of_another_shape_are_refused(make: Maker, shape: tuple[int, ...]) -> None:
    learner = make(3)
    with pytest.raises(ValueError, match=r"points must be \(n, 3\)"):
        learner.learn(np.zeros(shape))
    with pytest.raises(ValueError, match=r"points must be \(n, 3\)"):
        learner.judge(np.zeros(shape))


def test_no_points_are_no_change(make: Maker) -> None:
    learner = make(3)
    learner.learn(streams.blobs(13, n=100, dimension=3).points)
    before = learner.snapshot()
    assert learner.learn(np.zeros((0, 3))).labels.shape == (0,)
    assert learner.judge(np.zeros((0, 3))).similarities.shape == (0,)
    assert learner.snapshot() == before


def test_overrides_hold_for_one_batch_only(make: Maker) -> None:
    points = streams.blobs(14, n=300, dimension=3).points
    learner = make(3)
    learner.learn(points[:200], Override(threshold=0.5, max_clusters=60, learning_rate=0.2))
    before = learner.status().dynamic_threshold
    learner.judge(points)
    again = restore(learner.snapshot())
    assert again.status().dynamic_threshold == before
    assert again.learn(points[200:]).labels.tolist() == learner.learn(points[200:]).labels.tolist()


def test_a_damaged_snapshot_is_refused(make: Maker) -> None:
    learner = make(2)
    learner.learn(streams.blobs(15, n=150, dimension=2).points)
    whole = learner.snapshot()
    for at in range(0, len(whole), max(1, len(whole) // 97)):
        flipped = bytearray(whole)
        flipped[at] ^= 0x40
        with pytest.raises(SnapshotError):
            restore(bytes(flipped))
        with pytest.raises(SnapshotError):
            restore(whole[:at])
    with pytest.raises(SnapshotError):
        restore(whole + b"\0")


def test_a_whole_envelope_with_a_damaged_inside_is_refused_or_still_a_learner(make: Maker) -> None:
    learner = make(2)
    learner.learn(streams.blobs(16, n=150, dimension=2).points)
    name, payload = unpack(learner.snapshot())
    for at in range(0, len(payload), max(1, len(payload) // 197)):
        with pytest.raises(SnapshotError):
            restore(pack(name, payload[:at]))
