"""What a record's headers say of who waits, whatever stands in them."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pipeline.kafka.record import Record
from pipeline.received import Raw
from schemas.exchange import PART_HEADER, REPLY_PARTITION_HEADER, REQUEST_ID_HEADER, SOURCE_HEADER
from schemas.position import Position

PLACE = Position("t.v1", 1, 2)


def test_what_the_door_writes_is_read() -> None:
    raw = Raw(PLACE, 1, b"k", b"vv", {REQUEST_ID_HEADER: b"req_1", REPLY_PARTITION_HEADER: b"7", PART_HEADER: b"3"})
    assert (raw.request_id, raw.reply_partition, raw.part) == ("req_1", 7, 3)
    assert raw.size == 1 + 2 + sum(len(name) + len(value) for name, value in raw.headers.items())


def test_nobody_waits_where_nothing_is_said() -> None:
    raw = Raw(PLACE, 1, None, None, {})
    assert (raw.request_id, raw.reply_partition, raw.part, raw.size) == (None, None, 0, 0)


@given(st.binary(max_size=300))
def test_headers_of_whatever_bytes_are_bounded_and_raise_nothing(noise: bytes) -> None:
    raw = Raw(PLACE, 1, None, None, {REQUEST_ID_HEADER: noise, REPLY_PARTITION_HEADER: noise, PART_HEADER: noise})
    assert len(raw.request_id or "") <= 128
    assert raw.reply_partition is None or 0 <= raw.reply_partition < 100_000
    assert 0 <= raw.part < 10**8


@given(st.binary(max_size=300))
def test_a_tombstones_source_is_a_position_or_nothing(noise: bytes) -> None:
    source = Record("t", 0, 0, 0, b"k", None, {SOURCE_HEADER: noise}).source
    assert source is None or str(source).encode() == noise or source == Position.parse(noise.decode("ascii"))
    assert Record("t", 0, 0, 0, b"k", None, {SOURCE_HEADER: str(PLACE).encode()}).source == PLACE
