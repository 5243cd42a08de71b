"""Bytes become an event or a refusal, never an exception; and a key's place is what librdkafka says it is."""

from __future__ import annotations

import numpy as np
import pytest
from aiokafka.structs import ConsumerRecord
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.outcome import Refuse
from pipeline.received import Raw, Received
from schemas.clustering.points import PointsObserved
from schemas.clustering.topics import OBSERVED
from schemas.codec import Codec
from schemas.position import Position
from topologies.intake import MAX_VALUE, Placement, raw_of, take_in

CODEC = Codec()
GOOD = CODEC.encode(PointsObserved("s", 1, 2, np.arange(4.0)))


def raw(value: bytes | None, key: bytes | None = b"s", partition: int = 0) -> Raw:
    return Raw(Position(OBSERVED.name, partition, 7), 1, key, value, {})


def consumed(headers: tuple[tuple[str, bytes | None], ...]) -> ConsumerRecord[bytes, bytes]:
    return ConsumerRecord("t", 3, 9, 1_700_000_000_123, 1, b"k", b"v", None, 1, 1, headers)


def test_a_consumed_record_is_taken_as_it_is() -> None:
    taken = raw_of(consumed((("a", b"1"), ("b", None))))
    assert taken == Raw(Position("t", 3, 9), 1_700_000_000_123_000, b"k", b"v", {"a": b"1", "b": b""})
    assert raw_of(consumed(())).headers == {}


def test_a_good_record_is_received() -> None:
    received = take_in(raw(GOOD), CODEC, PointsObserved)
    assert isinstance(received, Received)
    assert received.event.stream == "s"
    assert received.position == Position(OBSERVED.name, 0, 7)


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (None, "value_missing"),
        (b"", "frame_invalid"),
        (b"\0\0\0\0\xff", "schema_unknown"),
        (GOOD[:-3], "avro_invalid"),
        (GOOD + b"more", "avro_invalid"),
        (bytes(MAX_VALUE + 1), "value_too_large"),
    ],
)
def test_what_cannot_be_used_is_refused_with_its_reason(value: bytes | None, reason: str) -> None:
    refused = take_in(raw(value), CODEC, PointsObserved)
    assert isinstance(refused, Refuse)
    assert refused.reason == reason


@given(st.binary(max_size=200), st.booleans(), st.integers(0, len(GOOD)))
@settings(max_examples=300, deadline=None)
def test_no_bytes_whatever_raise(noise: bytes, framed: bool, at: int) -> None:
    value = GOOD[:at] + noise if framed else noise
    assert isinstance(take_in(raw(value), CODEC, PointsObserved), Received | Refuse)


@pytest.mark.parametrize(
    ("key", "partition"),
    # org.apache.kafka.common.utils.UtilsTest.testMurmur2, modulo 7
    [(b"21", -973932308), (b"foobar", -790332482), (b"a-little-bit-long-string", -985981536), (b"abc", 479470107)],
)
def test_places_are_those_of_kafkas_own_client(key: bytes, partition: int) -> None:
    there = (partition & 0x7FFFFFFF) % 7
    assert Placement(7).check(raw(GOOD, key, there), key.decode()) is None


@pytest.mark.parametrize("key", [None, b"", b"other", b"\xff\xfe", b"x" * 10_000])
def test_a_key_that_is_not_the_records_own_is_refused(key: bytes | None) -> None:
    refused = Placement(1).check(raw(GOOD, key), "s")
    assert isinstance(refused, Refuse)
    assert refused.reason == "key_mismatch"
    assert len(refused.detail) < 1000


@given(
    st.text(min_size=1, max_size=80).filter(lambda it: it.encode("utf-8", "replace").decode() == it), st.integers(2, 64)
)
def test_of_all_partitions_a_key_belongs_to_one(key: str, partitions: int) -> None:
    placement = Placement(partitions)
    answers = [placement.check(raw(GOOD, key.encode(), at), key) for at in range(partitions)]
    assert answers.count(None) == 1
    assert {answer.reason for answer in answers if answer is not None} == {"partition_wrong"}
