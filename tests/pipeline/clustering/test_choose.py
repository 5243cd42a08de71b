"""Choosing a learner by name."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

from pipeline.clustering.choose import ALGORITHMS, LearnerConfig, Parameter, create, restore
from pipeline.learning.checkpoint import SnapshotError, pack


@pytest.mark.parametrize("name", ALGORITHMS)
def test_every_algorithm_on_offer_can_be_made_as_it_is(name: str) -> None:
    assert create(LearnerConfig(name), 5).name == name


def test_the_default_is_the_adaptive_learner() -> None:
    assert create(LearnerConfig(), 2).name == "adaptive"


def test_an_unknown_algorithm_is_refused_with_those_on_offer() -> None:
    with pytest.raises(ValueError, match=r"unknown algorithm 'kmeans'; choose one of adaptive, river\.DBSTREAM"):
        create(LearnerConfig("kmeans"), 2)


@pytest.mark.parametrize("dimension", [0, -1, 1001])
def test_a_dimension_out_of_range_is_refused(dimension: int) -> None:
    with pytest.raises(ValueError, match="1 to 1000 dimensions"):
        create(LearnerConfig(), dimension)


@pytest.mark.parametrize(
    ("algorithm", "parameters", "message"),
    [
        ("adaptive", {"radius": 1.0}, "no parameter 'radius'; it takes half_life, engine"),
        ("adaptive", {"engine": "cuda"}, "engine must be 'numba' or 'numpy'"),
        ("adaptive", {"half_life": 3}, "half_life must be a number from 100"),
        ("adaptive", {"half_life": "long"}, "half_life must be a number from 100"),
        ("river.KMeans", {"k": 3}, "no parameter 'k'; it takes n_clusters, halflife"),
        ("river.KMeans", {"n_clusters": 0}, "n_clusters must be a whole number from 1 to 1000, not 0"),
        ("river.KMeans", {"n_clusters": 2.5}, "n_clusters must be a whole number"),
        ("river.KMeans", {"n_clusters": 10**6}, "n_clusters must be a whole number from 1 to 1000"),
        ("river.KMeans", {"n_clusters": True}, "must be a number"),
        (
            "river.DBSTREAM",
            {"clustering_threshold": float("nan")},
            "clustering_threshold must be a number above 0",
        ),
        ("river.DBSTREAM", {"fading_factor": "0.1"}, "fading_factor must be a number"),
        ("river.CluStream", {"kwargs": 1}, "no parameter 'kwargs'"),
        ("river.KMeans", {"halflife": 1000}, "halflife must be a number above 0 and at most 1, not 1000"),
        ("river.CluStream", {"halflife": 1.5}, "halflife must be a number above 0 and at most 1"),
        ("river.KMeans", {"p": 10}, "p must be a whole number from 1 to 5"),
        ("river.DBSTREAM", {"fading_factor": 0}, "fading_factor must be a number from 1e-06 to 1"),
        ("river.DBSTREAM", {"fading_factor": 1e8}, "fading_factor must be a number from 1e-06 to 1"),
        ("river.DBSTREAM", {"intersection_factor": 7}, "intersection_factor must be a number above 0 and at most 1"),
        ("river.DenStream", {"decaying_factor": 1e300}, "decaying_factor must be a number from 1e-06 to 1"),
        ("river.DenStream", {"mu": -3}, "mu must be a number above 1"),
        ("river.DenStream", {"beta": 2.0}, "beta must be a number above 0 and at most 1"),
        ("river.DenStream", {"mu": 1.5, "beta": 0.5}, "cannot be made with these parameters"),
    ],
)
def test_bad_parameters_are_refused_saying_why(algorithm: str, parameters: dict[str, Parameter], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        create(LearnerConfig(algorithm, parameters), 2)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (LearnerConfig(threshold=0.05), "threshold must be a number from 0.1 to 1"),
        (LearnerConfig(max_clusters=101), "max_clusters must be a number from 1 to 100"),
        (LearnerConfig(learning_rate=0.5), "learning_rate must be a number from 0.01 to 0.2"),
    ],
)
def test_settings_out_of_range_are_refused(config: LearnerConfig, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        create(config, 2)


def test_parameters_reach_rivers_clusterer() -> None:
    learner = create(LearnerConfig("river.KMeans", {"n_clusters": 3}), 1)
    learner.learn(np.array([[float(i % 9)] for i in range(200)]))
    assert 1 <= len(learner.clusters()) <= 3


def test_a_snapshot_of_an_unknown_learner_is_refused() -> None:
    with pytest.raises(SnapshotError, match="no learner known here"):
        restore(pack("river.TextClust", b""))


class _Trap:
    def __reduce__(self) -> tuple[object, ...]:
        return (exec, ("raise SystemExit('the pickle ran')",))


@pytest.mark.parametrize("name", [name for name in ALGORITHMS if name != "adaptive"])
def test_a_pickle_that_asks_for_anything_else_than_clusterers_is_refused(name: str) -> None:
    with pytest.raises(SnapshotError, match=r"asks for builtins\.exec"):
        restore(pack(name, pickle.dumps(_Trap())))


def test_getattr_is_not_to_be_had_from_a_pickle() -> None:
    with pytest.raises(SnapshotError, match=r"asks for builtins\.getattr"):
        restore(pack("river.KMeans", pickle.dumps(getattr)))
