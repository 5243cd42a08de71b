"""JSON out."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest_api.json import encode


@dataclass
class Point:
    values: Any


def test_numpy_is_written_as_plain_numbers() -> None:
    content = {"a": np.arange(4.0).reshape(2, 2), "b": np.float64(1.5), "c": np.int64(2), "d": np.bool_(True)}
    assert json.loads(encode(content)) == {"a": [[0, 1], [2, 3]], "b": 1.5, "c": 2, "d": True}


def test_a_dataclass_is_an_object() -> None:
    assert encode(Point(np.array([1.0]))) == b'{"values":[1.0]}'


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, np.array([math.nan])])
def test_what_json_has_no_number_for_is_null(value: Any) -> None:
    assert b"null" in encode([value])
    json.loads(encode([value]), parse_constant=pytest.fail)


def test_what_has_no_json_form_is_refused() -> None:
    with pytest.raises(TypeError, match="object has no JSON form"):
        encode(object())


@given(st.recursive(st.none() | st.booleans() | st.floats(allow_nan=False, allow_infinity=False) | st.text(), st.lists))
def test_what_is_written_is_read_back_the_same(content: Any) -> None:
    assert json.loads(encode(content)) == content
