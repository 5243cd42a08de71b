"""River's own checks, and River's way of using the adaptive learner."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from river import checks, metrics, stream

from pipeline.clustering.adaptive.estimator import AdaptiveClusterer
from pipeline.learning import streams


@pytest.mark.parametrize(
    "check", list(checks.yield_checks(AdaptiveClusterer(engine="numpy"))), ids=lambda c: c.__name__
)
def test_it_passes_rivers_estimator_checks(check: Callable[[Any], None]) -> None:
    check(AdaptiveClusterer(engine="numpy"))


@pytest.mark.parametrize("engine", ["numba", "numpy"])
def test_one_by_one_and_many_at_once_learn_the_same(engine: str) -> None:
    points = streams.blobs(3, n=300, dimension=4).points
    many, single = AdaptiveClusterer(engine=engine), AdaptiveClusterer(engine=engine)
    many.learn_many(points)
    for x, _ in stream.iter_array(points):
        single.learn_one(x)
    assert many.predict_many(points).tolist() == [single.predict_one(x) for x, _ in stream.iter_array(points)]
    assert many.learner is not None
    assert single.learner is not None
    assert many.learner.snapshot() == single.learner.snapshot()


def test_it_works_with_rivers_metrics() -> None:
    data = streams.blobs(5, n=2000, dimension=10)
    clusterer = AdaptiveClusterer()
    adjusted_rand: Any = metrics.AdjustedRand
    score = adjusted_rand()
    clusterer.learn_many(data.points[:1000])
    for row, truth in zip(data.points[1000:], data.truth[1000:], strict=True):
        x = dict(enumerate(row))
        score.update(int(truth), clusterer.predict_one(x))
        clusterer.learn_one(x)
    assert score.get() > 0.95


def test_a_feature_that_is_missing_counts_as_the_mean_and_a_new_one_is_ignored() -> None:
    clusterer = AdaptiveClusterer(engine="numpy")
    clusterer.learn_many(np.array([[1.0, 5.0], [1.1, 5.0], [0.9, 5.0]]))
    assert clusterer.predict_one({0: 1.0}) == clusterer.predict_one({0: 1.0, 1: 5.0, 2: 99.0})


def test_before_any_point_all_are_outliers() -> None:
    assert AdaptiveClusterer().predict_one({"a": 1.0}) == -1
    assert AdaptiveClusterer().predict_many(np.zeros((2, 3))).tolist() == [-1, -1]


def test_impossible_settings_are_refused_at_once() -> None:
    with pytest.raises(ValueError, match="threshold must be a number from"):
        AdaptiveClusterer(threshold=2.0)
