"""The door's checks, and that they agree with the worker's."""

from __future__ import annotations

from typing import Any
from urllib.parse import urljoin, urlsplit

import httpx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from ingest_api.clustering.bodies import Config
from ingest_api.clustering.checks import (
    METADATA_BYTES,
    check_config,
    check_label,
    check_metadata,
    check_point,
    check_points,
    check_stream,
    check_timeout,
)
from ingest_api.clustering.submit import Work, once_key, records_of
from ingest_api.problems import FieldError
from pipeline.clustering.check import check
from schemas.clustering.limits import STREAM_PATTERN
from schemas.clustering.points import PointsObserved
from schemas.codec import Codec
from tests.ingest_api.clustering.test_reading import JSON

CODEC = Codec()
FINITE = st.floats(allow_nan=False, allow_infinity=False)


def messages(points: Any, limit: int = 10_000) -> list[tuple[str, str]]:
    values, errors = check_points(points, "points", limit)
    assert (values is None) == bool(errors)
    return [(error.field, error.message) for error in errors]


@given(JSON)
def test_any_json_is_points_or_said_to_be_none(value: Any) -> None:
    values, errors = check_points(value, "points", 10)
    if values is None:
        assert errors
    else:
        assert values.dtype == np.float64
        assert values.shape == (len(value), len(value[0]))
        assert np.isfinite(values).all()


@pytest.mark.parametrize(
    ("points", "expected"),
    [
        ("x", [("points", "Must be array of arrays")]),
        ({}, [("points", "Must be array of arrays")]),
        (None, [("points", "Must be array of arrays")]),
        ([], [("points", "At least one point is needed")]),
        ([1.0], [("points.0", "Point must be array of numbers")]),
        ([[]], [("points.0", "Point must contain at least 1 dimension")]),
        ([[1.0], []], [("points.1", "Point must contain at least 1 dimension")]),
        ([[1.0], [1.0, 2.0]], [("points.1", "Point has 2 dimensions where the first has 1")]),
        ([["1"]], [("points.0", "Point must be array of numbers")]),
        ([[True]], [("points.0", "Point must be array of numbers")]),
        ([[None]], [("points.0", "Point must be array of numbers")]),
        ([[[1.0]]], [("points.0", "Point must be array of numbers")]),
        ([[{}]], [("points.0", "Point must be array of numbers")]),
        ([[float("nan")]], [("points.0", "Numbers must be finite")]),
        ([[1.0], [float("inf")]], [("points.1", "Numbers must be finite")]),
        ([[10**400]], [("points.0", "Numbers must be finite")]),
        ([[1.0] * 1001], [("points.0", "Point must contain at most 1000 dimensions, not 1001")]),
        ([[1.0]] * 10_001, [("points", "At most 10000 points per request, not 10001")]),
        ([[], ["x"], [1.0]], [("points.0", "Point must contain at least 1 dimension"),
                              ("points.1", "Point must be array of numbers")]),
    ],
)  # fmt: skip
def test_what_is_wrong_with_points_is_told_point_by_point(points: Any, expected: list[tuple[str, str]]) -> None:
    assert messages(points) == expected


@pytest.mark.parametrize("shape", [(1, 1), (1, 1000), (10_000, 1), (2, 3)])
def test_points_within_the_limits_pass(shape: tuple[int, int]) -> None:
    assert messages(np.zeros(shape).tolist()) == []


def test_whole_numbers_are_numbers() -> None:
    values, _ = check_points([[1, 2], [3, 4.5]], "points", 10)
    assert values is not None
    assert values.tolist() == [[1.0, 2.0], [3.0, 4.5]]


def test_what_is_wrong_with_one_point_is_told_of_the_message() -> None:
    assert check_point([1.0], "data")[1] == []
    assert check_point(["x"], "data")[1] == [FieldError("data", "Point must be array of numbers")]
    assert check_point(None, "data")[1] == [FieldError("data", "Point must be array of numbers")]


@given(JSON)
def test_any_json_is_metadata_or_told_to_be_none(value: Any) -> None:
    metadata, errors = check_metadata(value)
    assert all(isinstance(name, str) and isinstance(kept, str) for name, kept in metadata.items())
    assert not (metadata and errors)


def test_metadata_keeps_strings_as_they_are_and_the_rest_as_json() -> None:
    given = {"a": "x", "b": 1, "c": [True, None]}
    assert check_metadata(given) == ({"a": "x", "b": "1", "c": "[true,null]"}, [])


def test_labels_timeouts_and_streams_have_their_bounds() -> None:
    assert [bool(check_label(label, "batch_id")) for label in ("b", "", "x" * 128, "x" * 129, 7, None)] == [
        False, True, False, True, True, True,
    ]  # fmt: skip
    assert [bool(check_timeout(value, "timeout")) for value in (0, 1, 600_000, 600_001)] == [True, False, False, True]
    assert [bool(check_stream(name)) for name in ("a:b.c-d_e", "", "a b", "x" * 128, "x" * 129, "ä", "a\n")] == [
        False, True, True, False, True, True, True,
    ]  # fmt: skip


METADATA = st.none() | st.dictionaries(st.text(max_size=20), JSON, max_size=6)
CONFIGS = st.builds(
    Config,
    threshold=st.none() | st.floats(-1, 2),
    max_clusters=st.none() | st.integers(-5, 200),
    learning_rate=st.none() | st.floats(-1, 1),
)


@given(name=st.from_regex(STREAM_PATTERN, fullmatch=True) | st.text("A-.:_z", min_size=1, max_size=4))
def test_a_stream_that_can_be_made_can_be_asked_for(name: str) -> None:
    """A client takes the steps `.` and `..` out of an address (RFC 3986, 5.2.4), and sends the rest as it is."""
    if check_stream(name):
        return
    address = f"http://api/api/v1/streams/{name}"
    assert urljoin(address, address) == address
    assert urlsplit(urljoin("http://api/", f"/api/v1/streams/{name}/reset")).path == f"/api/v1/streams/{name}/reset"
    assert httpx.URL(address).path == f"/api/v1/streams/{name}"


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "/", "a%2Fb", "a b", "a\n", "\0", "é", "x" * 129])
def test_a_name_that_no_address_can_hold_is_refused(name: str) -> None:
    assert check_stream(name)


@pytest.mark.parametrize("name", ["...", ".a", "..a", "a.", "a..", ":", "x" * 128, "." * 128])
def test_other_names_are_kept(name: str) -> None:
    assert not check_stream(name)


@given(
    name=st.text(max_size=10) | st.from_regex(STREAM_PATTERN, fullmatch=True),
    points=arrays.arrays(np.float64, arrays.array_shapes(min_dims=2, max_dims=2, max_side=6), elements=FINITE),
    config=st.none() | CONFIGS,
    given_metadata=METADATA,
    label=st.none() | st.text(max_size=130),
    key=st.none() | st.text(min_size=1, max_size=128),
)
def test_what_the_door_lets_pass_the_worker_does_not_refuse(
    name: str, points: Any, config: Config | None, given_metadata: Any, label: str | None, key: str | None
) -> None:
    values, errors = check_points(points.tolist(), "points", 10_000)
    metadata, wrong = check_metadata(given_metadata)
    errors += wrong + check_stream(name) + check_config(config)
    errors += [] if label is None else check_label(label, "batch_id")
    if errors or values is None:
        return
    once = None if key is None else once_key("key:me", key, label or "")
    work = Work(name, values, "key:me", once, label, None if config is None else config.record(), metadata)
    for record in records_of(work, 0):
        assert check(CODEC.decode(CODEC.encode(record), PointsObserved)) is None


def test_the_largest_metadata_and_label_pass_the_worker_together() -> None:
    metadata, errors = check_metadata({"k": "x" * (METADATA_BYTES - len('{"k":""}'))})
    assert errors == []
    assert check_metadata({"k": "x" * (METADATA_BYTES - len('{"k":""}') + 1)})[1]
    [record] = records_of(Work("s", np.zeros((1, 1)), "key:me", label="l" * 128, metadata=metadata), 0)
    assert check(record) is None


def test_a_configuration_is_short_since_every_record_carries_it() -> None:
    for config in (Config(algorithm="x" * 10_000), Config(parameters={f"p{n}": n for n in range(1000)})):
        [error] = check_config(config)
        assert (error.field, error.message) == ("clustering_config", "Must be an object of at most 4096 bytes of JSON")


def test_metadata_of_any_depth_is_taken_or_refused() -> None:
    deep: Any = 1
    for _ in range(3000):
        deep = [deep]
        values, errors = check_metadata({"a": deep})
        assert bool(values) != bool(errors)
