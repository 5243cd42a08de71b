"""Records to bytes and back: by our codec, by fastavro alone, and from bytes that are no record."""

from __future__ import annotations

import io
import json
import struct
from dataclasses import replace
from typing import Any

import fastavro
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.clustering.points import PointsClustered, PointsObserved
from schemas.codec import Codec, Undecodable, schema_id_of
from schemas.event import Event
from schemas.exchange import Refused
from schemas.registry import Registry, Schema, checked_in
from tests.schemas.samples import NOW, SAMPLES, observed

CODEC = Codec()
LABELLED = PointsClustered("s", 0, 0, None, None, None, 1, 2, 1, 3, {}, [], np.empty(0), np.empty(0))


@pytest.mark.parametrize("event", SAMPLES, ids=lambda event: type(event).__name__)
def test_every_record_comes_back_as_it_was(event: Event) -> None:
    assert CODEC.decode(CODEC.encode(event), type(event)) == event


@settings(deadline=None)
@given(event=observed)
def test_any_batch_of_points_comes_back_as_it_was(event: PointsObserved) -> None:
    assert CODEC.decode(CODEC.encode(event), PointsObserved) == event


@settings(deadline=None)
@given(event=observed.filter(lambda event: 0 <= event.observed_at < 2**52))  # fastavro makes a datetime of it
def test_a_plain_avro_reader_of_another_language_reads_the_same(event: PointsObserved) -> None:
    raw = CODEC.encode(event)
    schema = CODEC.registry.schemas[struct.unpack(">I", raw[1:5])[0]]
    datum: Any = fastavro.schemaless_reader(io.BytesIO(raw[5:]), fastavro.parse_schema(schema.definition | {}), None)
    assert datum["stream"] == event.stream
    assert np.array_equal(np.array(datum["values"], np.float64), event.values, equal_nan=True)


@pytest.mark.parametrize("layout", [[3], [1, 2], [-3], [2, -1]], ids=str)
def test_any_legal_block_layout_of_an_array_is_read(layout: list[int]) -> None:
    """Avro 1.12, Arrays: blocks of any size; a negative count is followed by the block's size in bytes."""
    raw = CODEC.encode(PointsObserved("s", 1, 3, np.empty(0)))
    body, value = io.BytesIO(raw[:-1]), 0.0
    body.seek(0, io.SEEK_END)
    for count in layout:
        fastavro.schemaless_writer(body, fastavro.parse_schema("long"), count)
        if count < 0:
            fastavro.schemaless_writer(body, fastavro.parse_schema("long"), -count * 8)
        for _ in range(abs(count)):
            body.write(struct.pack("<d", value))
            value += 1
    body.write(b"\0")
    assert CODEC.decode(body.getvalue(), PointsObserved).values.tolist() == [0.0, 1.0, 2.0]


whole_numbers = st.lists(st.one_of(st.integers(-64, 63), st.integers(-(2**63), 2**63 - 1)), max_size=300)


@settings(deadline=None)
@given(numbers=whole_numbers, sized=st.booleans(), cut=st.integers(0, 300))
def test_whole_numbers_of_any_size_in_any_blocks_are_read_as_fastavro_reads_them(
    numbers: list[int], sized: bool, cut: int
) -> None:
    """An array of longs is what fastavro writes for it, here in two blocks, with or without their sizes in bytes."""
    raw = CODEC.encode(replace(LABELLED, labels=[]))
    long, body = fastavro.parse_schema("long"), io.BytesIO()
    for block in filter(None, (numbers[:cut], numbers[cut:])):
        inner = io.BytesIO()
        for number in block:
            fastavro.schemaless_writer(inner, long, number)
        fastavro.schemaless_writer(body, long, -len(block) if sized else len(block))
        if sized:
            fastavro.schemaless_writer(body, long, len(inner.getvalue()))
        body.write(inner.getvalue())
    assert raw.endswith(b"\0\0\0")  # three empty arrays: labels, similarities, values
    assert CODEC.decode(raw[:-3] + body.getvalue() + b"\0\0\0", PointsClustered).labels == numbers


def test_a_number_that_never_ends_and_a_block_that_is_not_there_are_refused() -> None:
    raw = CODEC.encode(replace(LABELLED, labels=[]))[:-3]
    for broken in (b"\x02" + b"\xff" * 11 + b"\0\0\0\0", b"\x08\x02", b"\xfe\xff\xff\xff\xff\xff\xff\xff\x7f\x02"):
        with pytest.raises(Undecodable, match="avro_invalid"):
            CODEC.decode(raw + broken, PointsClustered)


@settings(deadline=None, max_examples=400)
@given(noise=st.binary(max_size=200), schema_id=st.integers(0, 12), framed=st.booleans())
def test_noise_is_refused_with_a_reason_and_never_more(noise: bytes, schema_id: int, framed: bool) -> None:
    raw = struct.pack(">bI", 0, schema_id) + noise if framed else noise
    refused: Undecodable | None = None
    try:
        CODEC.decode(raw, PointsObserved)
    except Undecodable as error:
        refused = error
    if refused is not None:
        assert refused.reason in {"frame_invalid", "schema_unknown", "schema_foreign", "avro_invalid"}


@settings(deadline=None, max_examples=200)
@given(event=observed, data=st.data())
def test_a_cut_or_longer_record_is_refused(event: PointsObserved, data: st.DataObject) -> None:
    raw = CODEC.encode(event)
    cut = data.draw(st.integers(5, len(raw) - 1))
    for broken in (raw[:cut], raw + b"\0"):
        with pytest.raises(Undecodable, match="avro_invalid"):
            CODEC.decode(broken, PointsObserved)


def test_a_claim_of_many_doubles_costs_no_memory() -> None:
    raw = CODEC.encode(PointsObserved("s", 1, 1, np.empty(0)))[:-1] + b"\xfe\xff\xff\xff\xff\xff\xff\xff\x7f"
    with pytest.raises(Undecodable, match="avro_invalid"):
        CODEC.decode(raw, PointsObserved)


def test_a_record_of_another_kind_is_refused_by_name() -> None:
    with pytest.raises(Undecodable, match=r"schema_foreign: a Replied where a PointsObserved belongs"):
        CODEC.decode(CODEC.encode(SAMPLES[7]), PointsObserved)


def test_a_schema_nobody_knows_is_named() -> None:
    with pytest.raises(Undecodable, match="schema_unknown: no schema has the id 999") as caught:
        CODEC.decode(struct.pack(">bI", 0, 999) + b"x", PointsObserved)
    assert caught.value.schema_id == 999


def test_what_does_not_fit_its_schema_is_not_written() -> None:
    with pytest.raises(ValueError, match=r"points\.observed\.v1"):
        CODEC.encode(PointsObserved("s", "now", 1, np.empty(0)))  # type: ignore[arg-type]


def test_an_older_writers_record_is_read_with_todays_defaults() -> None:
    today = checked_in()
    newest = today.named("points.observed.v1")
    older = dict(newest.definition)
    older["fields"] = [field for field in older["fields"] if field["name"] not in ("metadata", "source")]
    old = Schema(90, "older", json.dumps(older))
    registry = Registry({**today.schemas, 90: old}, today.subjects)
    out = io.BytesIO()
    datum = {"stream": "s", "batch_id": None, "observed_at": 5, "action": "LEARN", "dimension": 1, "config": None}
    fastavro.schemaless_writer(out, old.parsed, datum | {"values": [1.5]})
    event = Codec(registry).decode(struct.pack(">bI", 0, 90) + out.getvalue(), PointsObserved)
    assert (event.metadata, event.source, event.values.tolist()) == ({}, None, [1.5])


@pytest.mark.parametrize(("raw", "expected"), [(None, None), (b"", None), (b"\1abcd", None), (b"\0\0\0\0\5x", 5)])
def test_the_claimed_schema_id_is_found_without_decoding(raw: bytes | None, expected: int | None) -> None:
    assert schema_id_of(raw) == expected


@pytest.mark.parametrize("claimed", [b"\xff\xff\xff\xff", b"\x80\0\0\0", b"\x7f\xff\xff\xff"])
def test_any_claimed_schema_id_fits_into_a_dead_letter(claimed: bytes) -> None:
    with pytest.raises(Undecodable, match="schema_unknown") as caught:
        CODEC.decode(b"\0" + claimed, PointsObserved)
    letter = Refused("t", 1, 2, caught.value.reason, "", caught.value.schema_id, None, NOW, {}, None, b"")
    assert caught.value.schema_id == schema_id_of(b"\0" + claimed)
    schema = fastavro.parse_schema(CODEC.registry.named(letter.SCHEMA).definition | {})
    assert fastavro.validate(letter.datum(), schema)
