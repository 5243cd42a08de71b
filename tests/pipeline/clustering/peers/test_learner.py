"""River's clusterers keep what they are while keeping the contract."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from river import cluster, stream
from sklearn.metrics import adjusted_rand_score, homogeneity_score

from pipeline.clustering.choose import LearnerConfig, create
from pipeline.clustering.peers.roster import PEERS, allowed, domain_of
from pipeline.learning import streams

DATA = streams.blobs(4, n=1500, dimension=2, k=3)


def test_labels_are_rivers_own_under_lasting_names() -> None:
    learner = create(LearnerConfig("river.KMeans", {"n_clusters": 3, "sigma": 5, "halflife": 0.1, "seed": 7}), 2)
    river: Any = cluster.KMeans(n_clusters=3, sigma=5, halflife=0.1, seed=7)
    labels = learner.learn(DATA.points[:1024]).labels
    for x, _ in stream.iter_array(DATA.points[:1024].tolist()):
        river.learn_one(x)
    theirs = [river.predict_one(x) for x, _ in stream.iter_array(DATA.points[:1024].tolist())]
    assert adjusted_rand_score(theirs, labels) == 1.0
    named = {c.cluster_id: c.center.tolist() for c in learner.clusters()}
    assert sorted(named.values()) == sorted([center[0], center[1]] for center in river.centers.values())


def test_unseeded_methods_are_seeded_so_that_a_replay_gives_the_same() -> None:
    first, second = (create(LearnerConfig("river.STREAMKMeans"), 2) for _ in range(2))
    first.learn(DATA.points)
    second.learn(DATA.points)
    assert first.snapshot() == second.snapshot()


def test_denstream_learns_standardised_points_so_that_an_offset_makes_no_difference() -> None:
    config = LearnerConfig("river.DenStream", {"epsilon": 0.4, "n_samples_init": 100})
    near, far = create(config, 2), create(config, 2)
    here, there = near.learn(DATA.points), far.learn(DATA.points + 1e4)
    assert adjusted_rand_score(here.labels, there.labels) > 0.99
    assert homogeneity_score(DATA.truth[1000:], here.labels[1000:]) > 0.9
    for mine, other in zip(near.clusters(), far.clusters(), strict=True):
        assert other.center - 1e4 == pytest.approx(mine.center, abs=1e-4)


def test_what_river_cannot_tell_is_none_and_not_made_up() -> None:
    learner = create(LearnerConfig("river.DBSTREAM", {"clustering_threshold": 2.0}), 2)
    learner.learn(DATA.points)
    for told in learner.clusters():
        assert (told.quality, told.confidence, told.drift_coefficient, told.health) == (None, None, None, None)
    status = learner.status()
    assert (status.clustering_quality, status.dynamic_threshold, status.global_stability) == (None, None, None)


def test_ids_last_while_river_finds_its_clusters_anew() -> None:
    learner = create(LearnerConfig("river.CluStream", {"n_macro_clusters": 3, "sigma": 5, "halflife": 0.3}), 2)
    learner.learn(DATA.points[:1000])
    before = learner.judge(DATA.points).labels
    learner.learn(DATA.points[1000:])
    after = learner.judge(DATA.points).labels
    known = before > 0
    assert np.mean(before[known] == after[known]) > 0.9


def values_of(name: str, key: str) -> st.SearchStrategy[float]:
    """The ends of a parameter's domain, and what lies between; counts small enough to be learned quickly."""
    domain = domain_of(name, key)
    low = domain.low + 1e-9 if domain.above else domain.low
    if domain.whole:
        return st.integers(int(domain.low), int(min(domain.high, 40)))
    return st.sampled_from([low, domain.high, (low + domain.high) / 2]) | st.floats(low, domain.high)


def parameters_of(name: str) -> st.SearchStrategy[dict[str, float]]:
    return st.fixed_dictionaries({}, optional={key: values_of(name, key) for key in allowed(name) if key != "kwargs"})


POINTS = {
    "blobs": DATA.points[:150],
    "all the same": np.ones((150, 2)),
    "as large as they may be": np.where(DATA.points[:150] > 0, 1e60, -1e60),
    "hardly there": DATA.points[:150] * 1e-300,
}


@pytest.mark.parametrize("name", PEERS)
@settings(max_examples=25)
@given(data=st.data(), kind=st.sampled_from(sorted(POINTS)))
def test_any_parameters_that_are_let_through_can_be_learned_with(name: str, data: st.DataObject, kind: str) -> None:
    """They may be no good; but nothing fails, and no centre is further out than the points, or than where it began."""
    parameters = data.draw(parameters_of(name))
    try:
        learner = create(LearnerConfig(name, parameters), 2)
    except ValueError as refused:  # together they make no sense, though each by itself does
        assume("cannot be made with these parameters" not in str(refused))
        raise
    points = POINTS[kind]
    judged = learner.learn(points)
    assert len(judged.labels) == len(points)
    reach = float(np.abs(points).max()) + abs(parameters.get("mu", 0)) + 10 * parameters.get("sigma", 1)
    for told in learner.clusters():
        assert np.isfinite(told.center).all()
        # Standardised points were learned by the mean and deviation of their time.
        slack = 10 if PEERS[name].standardised else 1 + 1e-9
        assert np.abs(told.center).max() <= reach * slack + 1e-300
