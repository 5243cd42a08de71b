"""Bodies: whatever JSON they are, every wrong field is told at once and nothing crashes."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest_api.clustering.bodies import Config, ProcessBatch, ProcessPoints
from ingest_api.clustering.reading import read, read_config
from ingest_api.problems import Invalid, Malformed

LIMIT = 10_000
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=5), inner, max_size=5),
    max_leaves=20,
)
KEYS = st.sampled_from(
    ["points", "stream", "batch_mode", "timeout", "clustering_config", "metadata", "batches", "batch_id",
     "processing_options", "parallel", "max_concurrent", "timeout_per_batch", "threshold", "max_clusters",
     "algorithm", "parameters", "other"]
)  # fmt: skip
NEARLY = st.recursive(JSON, lambda inner: st.dictionaries(KEYS, inner, max_size=6) | st.lists(inner, max_size=3))


def wrong_in(body: Any, kind: type[Any] = ProcessPoints) -> dict[str, str]:
    """What is wrong with a body, by field."""
    with pytest.raises(Invalid) as caught:
        read(json.dumps(body).encode(), kind, LIMIT)
    return {error.field: error.message for error in caught.value.errors}


@given(
    st.binary() | NEARLY.map(lambda value: json.dumps(value).encode()), st.sampled_from([ProcessPoints, ProcessBatch])
)
def test_any_bytes_are_a_body_or_a_problem_of_the_caller(body: bytes, kind: type[Any]) -> None:
    status, errors = 200, ["none"]
    try:
        read(body, kind, LIMIT)
    except Malformed as problem:
        status = problem.status
    except Invalid as problem:
        status, errors = problem.status, [error.field for error in problem.errors]
    assert status in (200, 400, 422)
    assert errors


@given(st.lists(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1), min_size=1))
def test_numbers_arrive_as_they_were_sent(points: list[list[float]]) -> None:
    assert read(json.dumps({"points": points}).encode(), ProcessPoints, LIMIT).points == points


def test_unknown_keys_are_let_pass() -> None:
    body = read(b'{"points": [[1]], "options": {"a": 1}, "clustering_config": {"x": 2}}', ProcessPoints, LIMIT)
    assert body.points == [[1.0]]


@pytest.mark.parametrize(
    "body", ["", "[", "{", "\xff", "nul", '{"points": [[NaN]]}', '{"points": [[Infinity]]}', "[" * 10_000]
)
def test_what_is_no_json_is_malformed(body: str) -> None:
    with pytest.raises(Malformed):
        read(body.encode("latin-1"), ProcessPoints, LIMIT)


@pytest.mark.parametrize("body", [[], None, 7, "points", True])
def test_a_body_that_is_no_object_is_told_so(body: Any) -> None:
    assert wrong_in(body) == {"body": "Must be an object"}


def test_a_missing_field_is_named() -> None:
    assert wrong_in({}) == {"points": "Field required"}
    assert wrong_in({"batches": [{}, 1]}, ProcessBatch) == {
        "batches.0.batch_id": "Field required",
        "batches.0.points": "Field required",
        "batches.1": "Must be an object with batch_id and points",
    }


def test_every_wrong_field_is_told_at_once() -> None:
    told = wrong_in(
        {
            "points": [["1", 2], [True], {}, [None], [], [1, 2]],
            "stream": 7,
            "batch_mode": "yes",
            "timeout": 1.5,
            "metadata": [],
            "clustering_config": {"threshold": "high", "max_clusters": 1},
        }
    )
    assert told.keys() == {
        "points.0", "points.1", "points.2", "points.3", "points.4", "stream", "batch_mode", "timeout", "metadata",
        "clustering_config.threshold",
    }  # fmt: skip


@pytest.mark.parametrize("number", ["1e999", "-1e999", "1" + "0" * 400])
def test_a_number_beyond_all_floats_is_told_with_its_place(number: str) -> None:
    with pytest.raises(Invalid) as caught:
        read(f'{{"points": [[1], [{number}]]}}'.encode(), ProcessPoints, LIMIT)
    assert [(error.field, error.message) for error in caught.value.errors] == [("points.1", "Numbers must be finite")]


def test_a_body_full_of_errors_is_answered_with_a_bounded_list() -> None:
    told = wrong_in({"points": [["x"]] * LIMIT})
    assert len(told) == 100
    assert "points" in told
    batches = [{"batch_id": 1, "points": [["x"]] * 100}] * 1000
    assert len(wrong_in({"batches": batches}, ProcessBatch)) == 100


@pytest.mark.parametrize("body", [b'{"points": ' + b"[" * 100_000, b'{"points": 1, "x": ' + b"[" * 900 + b"]" * 900])
def test_nesting_is_told_to_be_too_deep_and_pythons_words_are_not(body: bytes) -> None:
    with pytest.raises((Malformed, Invalid)) as caught:
        read(body, ProcessPoints, LIMIT)
    assert "recursion" not in str(caught.value)


def test_a_number_too_long_to_be_read_is_told_to_be_so() -> None:
    with pytest.raises(Malformed, match="a number that is too long"):
        read(b'{"points": [[' + b"9" * 5000 + b"]]}", ProcessPoints, LIMIT)


def test_more_points_than_are_allowed_are_not_looked_through() -> None:
    assert wrong_in({"points": [["x"]] * (LIMIT + 1)}) == {"points": "At most 10000 points per request, not 10001"}
    assert wrong_in({"batches": [1] * 1001}, ProcessBatch) == {"batches": "1 to 1000 batches, not 1001"}


def test_a_body_is_examined_as_what_it_was_read_as() -> None:
    assert wrong_in({"points": [[1]], "batches": 7}, ProcessBatch).keys() == {"batches"}


@given(JSON)
def test_any_json_is_a_configuration_or_told_to_be_none(value: Any) -> None:
    config, errors = read_config(value)
    assert config is None or isinstance(config, Config)
    assert all(error.field.startswith("clustering_config") for error in errors)


def test_a_configuration_out_of_bounds_is_told() -> None:
    _, errors = read_config({"threshold": 0.05, "max_clusters": 101, "learning_rate": 0.5})
    assert [error.field.partition(".")[2] for error in errors] == ["threshold", "max_clusters", "learning_rate"]
    assert all("between" in error.message for error in errors)
