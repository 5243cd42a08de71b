"""Drift: what is seen, what is not, and that the test carried out in place is River's."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
from river import drift as river_drift

from pipeline.clustering.adaptive.detector import ALLOWANCE, CLIP, LIMIT, SETTLED, page_hinkley, standardised
from pipeline.clustering.adaptive.model import AdaptiveLearner
from pipeline.clustering.adaptive.state import DETECTOR
from pipeline.learning import streams
from pipeline.learning.learner import Drift

_SOON = 500


def drifts(stream: streams.Stream) -> list[Drift]:
    learner = AdaptiveLearner(stream.points.shape[1])
    return [
        drift
        for start in range(0, len(stream.points), 1000)
        for drift in learner.learn(stream.points[start : start + 1000]).drifts
    ]


ABRUPT = {
    **{f"D={d} {i}": (d, 100 * d + i, k, 5.0, 5.0) for d in (3, 10, 50) for i, k in enumerate((3, 5, 8, 12, 5, 5))},
    **{f"D=3 crowded {i}": (3, 300 + i, k, 3.0, 3.0) for i, k in enumerate((3, 5, 8, 12, 5, 5))},
}


@pytest.mark.parametrize("name", ABRUPT)
def test_every_abrupt_change_is_seen_soon_and_nothing_else(name: str) -> None:
    dimension, seed, k, wide, apart = ABRUPT[name]
    stream = streams.abrupt(seed, dimension=dimension, k=k, wide=wide, apart=apart)
    seen = [drift.at for drift in drifts(stream)]
    assert [sum(change <= at < change + _SOON for at in seen) for change in stream.changes] == [1, 1, 1]
    assert len(seen) == 3


STEADY: dict[str, Callable[[], streams.Stream]] = {
    **{
        f"blobs D={d} k={k}": partial(streams.blobs, d + 1, dimension=d, k=k)
        for d, k in ((2, 4), (3, 12), (10, 5), (50, 8))
    },
    "noise D=3": partial(streams.blobs, 20, dimension=3, noise=0.05),
    "noise D=10": partial(streams.blobs, 21, dimension=10, noise=0.05),
    "unimodal D=3": partial(streams.unimodal, 22, dimension=3),
    "unimodal D=10": partial(streams.unimodal, 23),
    "collinear": partial(streams.collinear, 24),
    **{f"drifting D={d}": partial(streams.drifting, d + 30, dimension=d) for d in (3, 10, 50)},
}


@pytest.mark.parametrize("name", STEADY)
def test_no_alarm_is_raised_on_a_steady_or_slowly_drifting_stream(name: str) -> None:
    assert drifts(STEADY[name]()) == []


def test_a_drift_tells_when_how_strong_and_whom_it_concerns() -> None:
    learner = AdaptiveLearner(10)
    stream = streams.abrupt(5, n=8000, dimension=10, changes=1)
    learner.learn(stream.points[:4000])
    before = {cluster.cluster_id for cluster in learner.clusters()}
    assert not learner.status().drift_detected
    (drift,) = learner.learn(stream.points[4000:4500]).drifts
    assert 4001 <= drift.at < 4100
    assert drift.signal in ("outliers", "fit")
    assert drift.statistic > LIMIT
    assert 0.5 < drift.severity <= 1.0
    assert set(drift.affected) <= before
    status = learner.status()
    assert (status.drift_detected, status.drifts, status.last_drift) == (True, 1, drift.at)
    assert status.adaptation_rate is not None
    assert status.adaptation_rate > 1.0
    learner.learn(stream.points[4500:6000])
    assert not learner.status().drift_detected


def test_the_detector_is_rivers_page_hinkley_on_standardised_values() -> None:
    rng = np.random.default_rng(3)
    values = np.concatenate([rng.exponential(1.0, 3000), rng.exponential(2.5, 300), rng.exponential(1.0, 500)])
    ours = np.zeros(1, DETECTOR)[0]
    river: Any = river_drift.PageHinkley(SETTLED, ALLOWANCE, LIMIT, alpha=1.0, mode="up")
    for number, value in enumerate(values, start=1):
        score = standardised(float(value), ours)
        assert abs(score) <= CLIP
        river.update(score)
        statistic = page_hinkley(score, ours)
        if number >= SETTLED:
            assert statistic == pytest.approx(river._sum_increase - river._min_increase, abs=1e-9)
        assert river.drift_detected == (statistic > LIMIT)
        if statistic > LIMIT:
            assert 3000 < number < 3100
            return
    pytest.fail("neither detector saw the change")
