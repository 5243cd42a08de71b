"""A structure is names and types; whatever else SQL lets stand there is not read, and so goes no further."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.embedded.warehouse.errors import WarehouseError
from pipeline.embedded.warehouse.structure import is_structure, read_columns, read_types


@pytest.mark.parametrize(
    ("text", "columns"),
    [
        ("a Int8", "`a` Int8"),
        ("a Int8,b String", "`a` Int8, `b` String"),
        ('`a b` Nullable(String), "c" text', "`a b` Nullable(String), `c` text"),
        ("a Array(LowCardinality(Nullable(FixedString(3))))", "`a` Array(LowCardinality(Nullable(FixedString(3))))"),
        ("a Tuple(x Int8, y Array(String))", "`a` Tuple(`x` Int8, `y` Array(String))"),
        ("a Enum8('it''s' = -1, 'b' = 2)", "`a` Enum8('it\\'s' = -1, 'b' = 2)"),
        ("a DateTime64(6, 'UTC'), d Decimal(10, 2)", "`a` DateTime64(6, 'UTC'), `d` Decimal(10, 2)"),
        ("a Map(String, UInt64) /* remarks */", "`a` Map(String, UInt64)"),
        ("constraint Int8, default String", "`constraint` Int8, `default` String"),
    ],
)
def test_names_and_types_are_written_anew(text: str, columns: str) -> None:
    assert read_columns(text) == columns


def test_types_alone_are_columns_by_number() -> None:
    assert read_types("Int8, Tuple(a String, String)") == "`_1` Int8, `_2` Tuple(`a` String, String)"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a",
        "a Int8,",
        ", a Int8",
        "a Int8 b String",
        "a Int8; b String",
        "a Int8)",
        "a Int8 DEFAULT 1",
        "a DEFAULT(1)",
        "a DEFAULT 1",
        "a ALIAS(1)",
        "a CODEC(ZSTD)",
        "a Int8 NOT NULL",
        "a Int8, CONSTRAINT c CHECK 1",
        "CONSTRAINT c CHECK (SELECT 1)",
        "a Int8, INDEX i a TYPE minmax",
        "a Int8, PROJECTION p (SELECT 1)",
        "a `Int8`",
        "a {x:Identifier}",
        "a Array(SELECT 1)",
        "a Array((SELECT 1))",
        "a FixedString(1 + 1)",
        "a FixedString(f(1))",
        "a Enum8('a' = f(1))",
        "a AggregateFunction(sum, UInt64)",
        "a Int8, /* open",
        "a Int8, 'open",
        "a " + "Array(" * 33 + "Int8" + ")" * 33,
        ", ".join(f"c{number} Int8" for number in range(1001)),
    ],
)
def test_anything_else_is_no_structure(text: str) -> None:
    with pytest.raises(WarehouseError) as caught:
        read_columns(text)
    assert (caught.value.code, caught.value.status) == (36, 400)
    assert not is_structure(text)


@given(st.text(max_size=200))
def test_any_text_is_read_or_refused(text: str) -> None:
    is_structure(text)
    is_structure(f"a {text}")


@given(st.text(min_size=1, max_size=30))
def test_a_name_stays_within_its_quotes(name: str) -> None:
    quoted = "`" + name.replace("\\", "\\\\").replace("`", "\\`") + "`"
    assert read_columns(f"{quoted} Int8") == f"{quoted} Int8"
