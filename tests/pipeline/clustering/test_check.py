"""What a producer straight to Kafka may have got wrong."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.clustering.check import check
from schemas.clustering.points import Action, ClusteringConfig, PointsObserved
from tests.pipeline.clustering.batches import observed

EMPTY = np.empty(0)


def test_a_batch_within_all_limits_passes() -> None:
    assert check(observed(np.zeros((10_000, 3)), batch_id="b" * 256, metadata={"a": "b"})) is None
    assert check(observed(np.zeros((2, 1000)), config=ClusteringConfig("adaptive", {}, 0.1, 100, 0.2))) is None
    assert check(PointsObserved("s", 0, 0, EMPTY, action=Action.RESET)) is None
    assert check(PointsObserved("s", 0, 0, EMPTY, action=Action.DELETE)) is None


@pytest.mark.parametrize(
    ("reason", "fields"),
    [
        ("stream_invalid", {"stream": ""}),
        ("stream_invalid", {"stream": "a b"}),
        ("stream_invalid", {"stream": "."}),
        ("stream_invalid", {"stream": ".."}),
        ("stream_invalid", {"stream": "x" * 129}),
        ("batch_id_invalid", {"batch_id": ""}),
        ("batch_id_invalid", {"batch_id": "x" * 257}),
        ("metadata_too_large", {"metadata": {"a": "x" * 10_240}}),
        ("dimension_invalid", {"dimension": 0}),
        ("dimension_invalid", {"dimension": -3}),
        ("dimension_invalid", {"dimension": 1001}),
        ("values_ragged", {"values": np.zeros(4)}),
        ("values_ragged", {"values": EMPTY}),
        ("too_many_points", {"values": np.zeros(30_003)}),
        ("values_not_finite", {"values": np.array([1, 2, 3, 4, np.nan, 6])}),
        ("values_not_finite", {"values": np.array([1, 2, -np.inf])}),
        ("config_invalid", {"config": ClusteringConfig(threshold=0.05)}),
        ("config_invalid", {"config": ClusteringConfig(threshold=float("nan"))}),
        ("config_invalid", {"config": ClusteringConfig(max_clusters=101)}),
        ("config_invalid", {"config": ClusteringConfig(learning_rate=0.3)}),
        ("values_unexpected", {"action": Action.RESET}),
        ("values_unexpected", {"action": Action.DELETE}),
    ],
)
def test_each_fault_has_its_reason(reason: str, fields: dict[str, Any]) -> None:
    refusal = check(observed(np.zeros((2, 3)), **fields))
    assert refusal is not None
    assert refusal.reason == reason
    assert refusal.detail


def test_the_point_that_is_not_finite_is_named() -> None:
    refusal = check(observed([[1, 2], [3, np.inf]]))
    assert refusal is not None
    assert "point 1" in refusal.detail


@given(
    st.builds(
        PointsObserved,
        stream=st.text(max_size=200),
        observed_at=st.integers(),
        dimension=st.integers(-(2**31), 2**31 - 1),
        values=st.lists(st.floats(), max_size=20).map(np.array).map(lambda values: values.astype(np.float64)),
        batch_id=st.none() | st.text(max_size=300),
        action=st.sampled_from(Action),
        metadata=st.dictionaries(st.text(max_size=9), st.text(max_size=9)),
        config=st.none()
        | st.builds(
            ClusteringConfig,
            threshold=st.none() | st.floats(),
            max_clusters=st.none() | st.integers(),
            learning_rate=st.none() | st.floats(),
        ),
    )
)
def test_any_record_passes_or_is_refused_and_never_raises(event: PointsObserved) -> None:
    refusal = check(event)
    if refusal is None and event.action is Action.LEARN:
        assert np.isfinite(event.values.reshape(-1, event.dimension)).all()
