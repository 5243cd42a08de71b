"""A batch as records, and what keys of retries have in common."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest_api.clustering.submit import Work, once_key, records_of, refused
from pipeline.clustering.check import check
from schemas.clustering.limits import MAX_CHUNK_BYTES, MAX_POINTS
from schemas.exchange import Replied


@given(st.integers(1, 40_000), st.sampled_from([1, 2, 7, 64, 1000]))
def test_any_batch_is_consecutive_records_a_worker_takes(count: int, dimension: int) -> None:
    points = np.arange(count * dimension, dtype=np.float64).reshape(count, dimension)
    records = records_of(Work("s", points, "key:me", once="k"), 5)
    assert np.array_equal(np.concatenate([record.values for record in records]), points.ravel())
    assert all(record.values.nbytes <= MAX_CHUNK_BYTES or record.values.size == dimension for record in records)
    assert all(record.values.size // dimension <= MAX_POINTS for record in records)
    assert len({record.batch_id for record in records}) == len(records)
    assert all(check(record) is None for record in records)


def test_a_label_is_kept_beside_the_points_and_is_no_key() -> None:
    [record] = records_of(Work("s", np.zeros((1, 2)), "key:me", label="batch_001", metadata={"a": "b"}), 5)
    assert (record.batch_id, record.metadata) == (None, {"a": "b", "batch_id": "batch_001"})
    assert (record.source, record.observed_at, record.dimension) == ("key:me", 5, 2)


@given(st.lists(st.tuples(st.text(), st.text(), st.text(), st.integers(0, 3)), min_size=2, unique=True))
def test_keys_of_different_principals_requests_labels_and_occurrences_never_meet(
    parts: list[tuple[str, str, str, int]],
) -> None:
    assert len({once_key(*part) for part in parts}) == len(parts)


@pytest.mark.parametrize(
    ("reason", "status", "code"),
    [
        ("dimension_mismatch", 422, "VALIDATION_ERROR"),
        ("something_new", 422, "VALIDATION_ERROR"),
        ("learner_failed", 500, "PROCESSING_ERROR"),
        ("stream_forfeited", 500, "PROCESSING_ERROR"),
    ],
)
def test_a_refusal_is_the_callers_error_unless_the_learner_failed(reason: str, status: int, code: str) -> None:
    problem = refused(Replied("req_1", 0, "points.observed.v1", 0, 7, reason, "because", None))
    assert (problem.status, problem.code) == (status, code)
    assert "because" in problem.detail
