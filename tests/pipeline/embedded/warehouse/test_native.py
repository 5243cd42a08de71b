"""Native blocks as a client's revision has them: the data the engine's, to the byte, whatever their types."""

from __future__ import annotations

import pytest

from pipeline.embedded.warehouse.errors import WarehouseError
from pipeline.embedded.warehouse.native import revised
from pipeline.embedded.warehouse.type_names import fields, parsed
from tests.pipeline.embedded.warehouse.running import ANALYST, Warehouse

INFO = b"\x01\x00\x02\xff\xff\xff\xff\x00"
COLUMNS = [
    "toInt8(number)",
    "toUInt256(number)",
    "repeat('x', number * 40)",
    "toFixedString('abc', 5)",
    "toDate32('2020-01-01')",
    "toDateTime('2020-01-01 00:00:00', 'Europe/Berlin')",
    "toDateTime64('2020-01-01 00:00:00', 6, 'Asia/Tokyo')",
    "toTime64('12:00:00', 3)",
    "toDecimal32(number, 2)",
    "toDecimal64(number, 2)",
    "toDecimal128(number, 2)",
    "toDecimal256(number, 20)",
    "generateUUIDv4()",
    "toIPv4('1.2.3.4')",
    "toIPv6('::1')",
    "toBFloat16(1)",
    "CAST('a', 'Enum8(\\'a\\' = 1, \\'b, (\\' = 2)')",
    "CAST('a', 'Enum16(\\'a\\' = 1000)')",
    "NULL",
    "[]",
    "map()",
    "tuple()",
    "[range(number), []]",
    "arrayMap(x -> toString(x), range(number))",
    "map('a', number, 'b', 2)",
    "CAST(map('k', ['a', 'b']), 'Map(LowCardinality(String), Array(LowCardinality(Nullable(String))))')",
    "CAST((1, 'x'), 'Tuple(a UInt8, `b c,(` String)')",
    "if(number % 2 = 0, NULL, toString(number))",
    "CAST('x', 'Nullable(FixedString(3))')",
    "toLowCardinality(toNullable(toString(number % 3)))",
    "CAST([], 'Array(LowCardinality(String))')",
    "arrayMap(x -> toLowCardinality(toString(x)), range(number))",
    "CAST([(1, 'x')], 'Nested(a UInt8, b LowCardinality(String))')",
    "toIntervalDay(number)",
    "(1.0, 2.0)::Point",
    "[[[(1.0, 2.0)]]]::MultiPolygon",
    "(1.0, 2.0)::Point::Geometry",
    "multiIf(number % 3 = 0, 1::Variant(UInt64, String, Array(UInt64)), number % 3 = 1, 'x', [1, 2])",
    "CAST(NULL, 'Variant(UInt64, LowCardinality(String))')",
    "multiIf(number % 3 = 0, number::Dynamic, number % 3 = 1, 'x'::Dynamic, [1, 2]::Dynamic)",
    "CAST(toString(number), 'Dynamic(max_types=1)')",
    "arrayMap(x -> x::Dynamic, range(number))",
    """('{"a":' || toString(number) || ',"b":{"c":"x"},"d":[1,2,{"e":1}]}')::JSON""",
    """('{"a":' || toString(number) || ',"b":{"c":"x"},"d":[1,2]}')::JSON(a UInt32, max_dynamic_paths=1, SKIP z)""",
    """('{"a.b":' || toString(number) || ',"b":{"c":"x"}}')::JSON(b.c LowCardinality(String), a.b Nullable(Int8))""",
    """['{"a":1}'::JSON]""",
    "CAST(number, 'SimpleAggregateFunction(sum, UInt64)')",
    "[1, 2, 3]::QBit(Float32, 3)",
]
JSON_SETTINGS = (
    "output_format_native_use_flattened_dynamic_and_json_serialization",
    "output_format_native_write_json_as_string",
)
LAST = b"\x04last\x05UInt8"


def _is_whole(blocks: bytes, rows: int) -> bool:
    """One block of two columns with block info, whose last column is where it should be."""
    said = LAST + b"\x00" + b"\x07" * rows
    return blocks.startswith(INFO + bytes([2, rows])) and blocks.endswith(said)


@pytest.mark.parametrize("column", COLUMNS)
def test_data_of_every_type_are_walked_to_their_end(warehouse: Warehouse, column: str) -> None:
    sql = f"SELECT {column} AS v, 7 AS last FROM numbers(9) FORMAT Native"
    settings = dict.fromkeys(JSON_SETTINGS, "0")
    for changed in (None, *(JSON_SETTINGS if "JSON" in column or "Dynamic" in column else ())):
        told = settings | ({changed: "1"} if changed else {})
        plain = warehouse.ask(sql, user=ANALYST, **told)
        assert plain.body.endswith(LAST + b"\x07" * 9), plain.text
        newer = warehouse.ask(sql, user=ANALYST, client_protocol_version="54460", **told)
        assert newer.status == 200, newer.text
        assert _is_whole(newer.body, 9)
        assert len(newer.body) == len(plain.body) + len(INFO) + 2


def test_each_block_of_a_large_result_has_its_info(warehouse: Warehouse) -> None:
    sql = "SELECT number, toString(number) AS s FROM numbers(500000) FORMAT Native"
    plain = warehouse.ask(sql, max_threads="1").body
    newer = warehouse.ask(sql, max_threads="1", client_protocol_version="54460").body
    blocks = newer.count(INFO + b"\x02")
    assert blocks >= 500_000 / 65_409
    assert len(newer) == len(plain) + blocks * (len(INFO) + 2)


def test_what_cannot_be_streamed_is_revised_too(warehouse: Warehouse) -> None:
    newer = warehouse.ask("DESCRIBE TABLE system.one FORMAT Native", client_protocol_version="54460").body
    assert newer.startswith(INFO)
    assert b"\x04name\x06String\x00\x05dummy" in newer


def test_a_revision_has_what_it_brought_and_no_more() -> None:
    block = b"\x01\x01\x01a\x05UInt8\x07"
    assert revised(block, 0) == block
    assert revised(block, 54_405) == INFO + block
    assert revised(block, 54_453) == INFO + block
    assert revised(block * 2, 54_454) == (INFO + b"\x01\x01\x01a\x05UInt8\x00\x07") * 2
    assert revised(b"\x01\x00\x01a\x06String", 54_460) == INFO + b"\x01\x00\x01a\x06String\x00"


def test_a_state_of_an_aggregate_function_is_refused_with_what_to_do(warehouse: Warehouse) -> None:
    sql = "SELECT sumState(number) AS s FROM numbers(3) FORMAT Native"
    answer = warehouse.ask(sql, client_protocol_version="54460")
    assert (answer.status, answer.code) == (501, 48)
    assert "Column s of type AggregateFunction(sum, UInt64)" in answer.text
    assert "finalizeAggregation" in answer.text
    assert warehouse.ask(sql).status == 200


@pytest.mark.parametrize(
    "blocks",
    [
        b"\x01\x02\x01a\x06String\x05ab",
        b"\x01\x02\x01a\x06UInt64\x00",
        b"\x01\x01\x01a\x08Whatever\x00",
        b"\x01\x01\x01a\x0dLowCardinality",
        b"\x01\x01\x01a\xfc\x01" + b"Array(" * 42,
    ],
)
def test_blocks_that_are_no_blocks_are_an_error_and_no_loop(blocks: bytes) -> None:
    with pytest.raises(WarehouseError):
        revised(blocks, 54_460)


def test_names_of_types_are_taken_apart() -> None:
    assert parsed("Enum8('a' = 1, 'b, (' = 2)") == ("Enum8", ["'a' = 1", "'b, (' = 2"])
    assert parsed("Tuple()") == ("Tuple", [])
    assert fields(parsed("Tuple(a UInt8, `b c,(` Array(String), Map(String, Int8))")[1]) == [
        ("a", "UInt8"),
        ("b c,(", "Array(String)"),
        ("", "Map(String, Int8)"),
    ]
