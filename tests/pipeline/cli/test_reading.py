"""Records for people and for programs: every kind there is, and bytes that are none."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.cli.moments import moment
from pipeline.cli.reading import RECORDS, as_json, as_line, read
from pipeline.errors import Misconfigured
from pipeline.kafka.record import Record
from schemas.catalogue import TOPICS
from schemas.clustering.points import PointsAnswered, PointsObserved
from schemas.codec import Codec
from schemas.exchange import Replied

CODEC = Codec()


def record(value: bytes | None, key: bytes | None = b"k") -> Record:
    return Record("points.observed.v1", 0, 7, 1_736_937_000_000, key, value, {"h": b"\xff1"})


def line(value: bytes | None, key: bytes | None = b"k") -> str:
    return as_line(read(CODEC, record(value, key)), CODEC).plain


def told(value: bytes | None) -> dict[str, object]:
    answer: dict[str, object] = json.loads(json.dumps(as_json(read(CODEC, record(value)), CODEC), allow_nan=False))
    return answer


def test_every_topic_of_the_catalogue_and_every_schema_can_be_read() -> None:
    assert {topic.record.SCHEMA for topic in TOPICS} <= set(RECORDS)
    newest = {CODEC.registry.schemas[ids[-1]].name for ids in CODEC.registry.subjects.values()}
    assert newest == set(RECORDS)


def test_long_arrays_are_told_in_short_to_people_and_whole_to_programs() -> None:
    value = CODEC.encode(PointsObserved("s", 0, 2, np.arange(10.0) / 3))
    assert "values=[0 0.3333 0.6667 … 10 in all]" in line(value)
    body = told(value)["value"]
    assert isinstance(body, dict)
    assert body["values"] == (np.arange(10.0) / 3).tolist()


def test_numbers_that_json_has_no_word_for_are_strings() -> None:
    body = told(CODEC.encode(PointsObserved("s", 0, 1, np.array([np.nan, np.inf, -np.inf]))))["value"]
    assert isinstance(body, dict)
    assert body["values"] == ["NaN", "Infinity", "-Infinity"]


def test_the_answer_inside_a_reply_is_decoded_too() -> None:
    answer = PointsAnswered("s", 1, False, 0.5, 1.0, [], [3], np.array([0.9]))
    value = CODEC.encode(Replied("req", 0, "points.observed.v1", 0, 1, None, None, CODEC.encode(answer)))
    assert "answer=<points.answered.v1 " in line(value)
    body = told(value)["value"]
    assert isinstance(body, dict)
    assert body["answer"]["value"]["labels"] == [3]


def test_undecodable_values_are_told_with_the_reason_and_their_first_bytes() -> None:
    assert line(b"\0\0\0\x03\xe7abc").endswith(
        "schema_unknown: no schema has the id 999 00 00 00 03 e7 61 62 63 (8 bytes)"
    )
    assert "frame_invalid" in line(b"hello")
    assert told(b"hello")["raw"] == "aGVsbG8="


def test_a_null_value_is_told_as_gone() -> None:
    assert line(None).endswith("gone (null value)")
    assert told(None)["value"] is None


@given(st.binary(max_size=200), st.binary(max_size=20))
def test_no_bytes_break_the_reading_or_reach_the_terminal(value: bytes, key: bytes) -> None:
    for raw in (value, b"\0\0\0\0\x01" + value):
        assert line(raw, key).isprintable()
        told(raw)


def test_moments_are_ago_dates_or_times() -> None:
    assert moment("2h", "--since", lambda: 10_000_000_000) == 10_000_000_000 - 7_200_000_000
    assert moment("1970-01-02", "--since", int) == 86_400_000_000
    assert moment("1970-01-01T01:00:00+01:00", "--since", int) == 0
    with pytest.raises(Misconfigured, match=r"--since yesterday: the forms are 2h"):
        moment("yesterday", "--since", int)
