"""Many records at once are read and written exactly as one by one, or not at all."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.alike import Alike, decode_alike, encode_alike
from schemas.clustering.points import PointsClustered, PointsObserved
from schemas.codec import Codec, Undecodable
from tests.schemas.samples import NOW, observed

CODEC = Codec()
LONG = st.integers(-(2**63), 2**63 - 1)


def several(first: PointsObserved, times: list[int], values: Any) -> list[PointsObserved]:
    return [replace(first, observed_at=at, values=row) for at, row in zip(times, values, strict=True)]


@settings(deadline=None)
@given(first=observed, times=st.lists(st.integers(2**49, 2**50), min_size=1, max_size=20), size=st.integers(0, 5))
def test_records_alike_are_read_as_each_alone(first: PointsObserved, times: list[int], size: int) -> None:
    events = several(first, times, np.random.default_rng(1).normal(size=(len(times), size)))
    alike = decode_alike(CODEC, [CODEC.encode(event) for event in events], PointsObserved, ("observed_at",))
    assert alike is not None
    assert len(alike) == len(events)
    assert [alike[index] for index in range(len(events))] == events


@settings(deadline=None)
@given(first=observed, times=st.lists(LONG, min_size=1, max_size=20), size=st.integers(0, 5))
def test_records_alike_are_written_as_each_alone(first: PointsObserved, times: list[int], size: int) -> None:
    values = np.random.default_rng(1).normal(size=(len(times), size))
    events = several(first, times, values)
    alike = Alike(events[0], {"observed_at": np.array(times), "values": values})
    assert encode_alike(CODEC, alike) == [CODEC.encode(event) for event in events]


@settings(deadline=None)
@given(labels=st.lists(st.tuples(LONG.map(lambda n: n >> 32), LONG.map(lambda n: n >> 32)), min_size=1, max_size=9))
def test_arrays_of_integers_are_written_as_each_alone(labels: list[tuple[int, int]]) -> None:
    rows = [
        PointsClustered(
            *("s", 1, 2**index, "b", None, None, NOW, NOW, 1, 2, {"k": "v"}, list(pair)),
            np.array([0.5, 0.25]),
            np.arange(4.0),
        )
        for index, pair in enumerate(labels)
    ]
    columns: dict[str, Any] = {
        "source_offset": np.array([row.source_offset for row in rows]),
        "labels": np.array([row.labels for row in rows]),
        "similarities": np.array([row.similarities for row in rows]),
        "values": np.array([row.values for row in rows]),
    }
    alike = Alike(rows[0], columns)
    assert encode_alike(CODEC, alike) == [CODEC.encode(row) for row in rows]
    assert [alike[index] for index in range(len(rows))] == rows


@settings(deadline=None, max_examples=300)
@given(data=st.data())
def test_whatever_the_bytes_are_what_is_read_at_once_is_what_is_read_alone(data: st.DataObject) -> None:
    first = data.draw(observed)
    events = several(first, [NOW, NOW + 1, NOW + 2], np.random.default_rng(1).normal(size=(3, 2)))
    raws = [bytearray(CODEC.encode(event)) for event in events]
    for _ in range(data.draw(st.integers(1, 3))):
        raw = raws[data.draw(st.integers(0, 2))]
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    values = [bytes(raw) for raw in raws]
    try:
        alike = decode_alike(CODEC, values, PointsObserved, ("observed_at",))
    except Undecodable:
        with pytest.raises(Undecodable):
            CODEC.decode(values[0], PointsObserved)
        return
    if alike is not None:
        assert [alike[index] for index in range(3)] == [CODEC.decode(value, PointsObserved) for value in values]


@pytest.mark.parametrize(
    "changed",
    [
        {"source": "b"},
        {"batch_id": "y"},
        {"stream": "t"},
        {"metadata": {"k": "w"}},
        {"dimension": 3},
        {"values": np.zeros(3)},
        {"observed_at": 1},
    ],
    ids=lambda changed: next(iter(changed)),
)
def test_records_that_differ_elsewhere_are_not_alike(changed: dict[str, Any]) -> None:
    one = PointsObserved("s", NOW, 2, np.zeros(2), batch_id="x", source="a", metadata={"k": "v"})
    values = [CODEC.encode(one), CODEC.encode(replace(one, **changed))]
    assert decode_alike(CODEC, values, PointsObserved, ("observed_at",)) is None
    assert decode_alike(CODEC, values[:1], PointsObserved, ("observed_at",)) is not None


def test_what_does_not_fit_its_field_is_not_written() -> None:
    one = PointsObserved("s", NOW, "two", np.zeros(1))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"points\.observed\.v1"):
        encode_alike(CODEC, Alike(one, {"values": np.zeros((2, 1))}))
