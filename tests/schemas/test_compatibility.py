"""Which changes of a schema are let through, which are not, and that the checked-in ones are."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Sequence
from itertools import combinations
from typing import Any

import avro.schema
import fastavro
import pytest
from avro.compatibility import ReaderWriterCompatibilityChecker, SchemaCompatibilityType
from fastavro.utils import generate_many
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from schemas.compatibility import Direction, breaches, obstacles
from schemas.registry import Schema, checked_in

Json = Any

# Records of years hold these ids: a schema that changes gets a new file, a new id and a new version. One that was
# never released may be changed in place, and then here.
FINGERPRINTS = {
    1: "6b029d77f6568dd0",
    2: "4c0efe4a80df3ee4",
    3: "5840ae0f0d778683",
    4: "e63081205a723fcb",
    5: "26410ea1fc543c28",
    6: "0a3390d786622ccc",
    7: "ff0e1f700c852cf2",
    8: "d472f085369da55c",
    9: "3e4c88631f5f22a7",
    10: "fb30b82d80656e6a",
    11: "1ed33051cc6c94b8",
    12: "5f9033fb0051bac6",
    13: "c222a42cfa8dad8d",
    14: "fda852c60dd1a322",
    15: "f1be77a339eee38c",
    16: "ab02a5355cd3af36",
    17: "b05772b7e6f7b37b",
    18: "39cac586fcfc3fe7",
    19: "3943ad5694eba756",
    20: "265bd7ae16d5b991",
    21: "3b32cbad1332ef13",
    22: "f6028ff4d1add0a5",
}


def record(*fields: Json, name: str = "Thing", **more: Json) -> Json:
    return {"type": "record", "name": name, "namespace": "tests", "fields": list(fields), **more}


def field(name: str, kind: Json, **more: Json) -> Json:
    return {"name": name, "type": kind, **more}


def told(reader: Json, writer: Json) -> list[str]:
    return [str(obstacle) for obstacle in obstacles(reader, writer)]


def test_a_schema_reads_itself() -> None:
    for schema in checked_in().schemas.values():
        assert breaches(schema.definition, schema.definition) == []


def test_a_new_field_with_a_default_is_allowed_both_ways() -> None:
    old = record(field("a", "int"))
    assert breaches(old, record(field("a", "int"), field("b", ["null", "string"], default=None))) == []


def test_a_new_field_without_a_default_cannot_be_read_from_old_records() -> None:
    [breach] = breaches(record(field("a", "int")), record(field("a", "int"), field("b", "string")))
    assert breach.direction is Direction.BACKWARD
    assert str(breach) == "new cannot read old: b: the writer has no such field and the reader no default for it"


def test_a_field_without_a_default_cannot_be_taken_away() -> None:
    [breach] = breaches(record(field("a", "int"), field("b", "string")), record(field("a", "int")))
    assert breach.direction is Direction.FORWARD
    assert breach.obstacle.path == "b"


def test_a_wider_number_reads_a_narrower_one_and_not_the_other_way_round() -> None:
    [breach] = breaches(record(field("n", "int")), record(field("n", "long")))
    assert str(breach) == "old cannot read new: n: long cannot be read as int"


def test_a_renamed_field_is_read_through_its_alias() -> None:
    assert told(record(field("b", "int", aliases=["a"])), record(field("a", "int"))) == []
    assert told(record(field("b", "int")), record(field("a", "int")))


def test_another_logical_type_over_the_same_bytes_is_not_let_through() -> None:
    micros, millis = ({"type": "long", "logicalType": f"timestamp-{unit}"} for unit in ("micros", "millis"))
    [obstacle] = obstacles(record(field("at", millis)), record(field("at", micros)))
    assert obstacle.path == "at"
    assert "another meaning" in obstacle.reason
    assert told(record(field("at", "long")), record(field("at", micros)))


def test_an_enum_needs_every_symbol_or_a_default() -> None:
    def enum(*symbols: str, **more: str) -> Json:
        return record(field("e", {"type": "enum", "name": "E", "symbols": list(symbols), **more}))

    assert told(enum("A"), enum("A", "B")) == ["e: the reader does not know B and has no default symbol"]
    assert told(enum("A", default="A"), enum("A", "B")) == []
    assert told(enum("A", "B"), enum("A")) == []


def test_every_branch_of_a_writers_union_must_be_readable() -> None:
    assert told(record(field("u", "string")), record(field("u", ["null", "string"]))) == [
        "u: null cannot be read as string"
    ]
    assert told(record(field("u", ["null", "string"])), record(field("u", "string"))) == []
    assert told(record(field("u", ["null", "int"])), record(field("u", ["null", "boolean"]))) == [
        "u: boolean is in no branch of the reader's [null, int]"
    ]


def test_an_obstacle_inside_a_branch_is_told_at_its_own_place() -> None:
    def holder(kind: Json) -> Json:
        return record(field("inner", ["null", record(field("x", kind), name="Inner")]))

    assert told(holder("int"), holder("long")) == ["inner.x: long cannot be read as int"]


def test_items_values_names_and_sizes_are_compared() -> None:
    def of(kind: str, part: str, inner: Json) -> Json:
        return {"type": kind, part: inner}

    assert told(of("array", "items", "int"), of("array", "items", "string")) == ["[]: string cannot be read as int"]
    assert told(of("map", "values", "double"), of("map", "values", "float")) == []
    four, eight = ({"type": "fixed", "name": "F", "size": size} for size in (4, 8))
    assert told(four, eight) == ["it has 8 bytes where 4 are expected"]
    assert told(record(name="One"), record(name="Other"))
    assert told(record(name="One", aliases=["Other"]), record(name="Other")) == []


def test_names_defined_earlier_and_recursive_records_are_followed() -> None:
    def node(kind: str) -> Json:
        return record(field("value", kind), field("next", ["null", "Node"]), name="Node")

    assert told(node("long"), node("int")) == []
    assert told(node("int"), node("long"))[0] == "value: long cannot be read as int"
    colour = {"type": "enum", "name": "Colour", "symbols": ["RED"]}
    assert (
        told(record(field("a", colour), field("b", "tests.Colour")), record(field("a", colour), field("b", "Colour")))
        == []
    )


def test_what_is_no_schema_is_a_value_error() -> None:
    with pytest.raises(ValueError, match="not an Avro schema"):
        obstacles({"type": "recrod"}, "int")


primitives = st.sampled_from(["null", "boolean", "int", "long", "float", "double", "string", "bytes"])
kinds = st.recursive(
    primitives,
    lambda inner: (
        st.builds(lambda items: {"type": "array", "items": items}, inner)
        | st.builds(lambda values: {"type": "map", "values": values}, inner)
        | st.builds(lambda other: ["null", other], inner.filter(lambda it: it != "null" and not isinstance(it, list)))
    ),
    max_leaves=4,
)
fields_of = st.dictionaries(st.sampled_from("abcd"), st.tuples(kinds, st.booleans()), max_size=4)


def defaulted(named: dict[str, tuple[Json, bool]]) -> Json:
    """Those marked get a default, where null is one."""
    return record(
        *(
            field(name, ["null", kind], default=None)
            if optional and kind != "null" and not isinstance(kind, list)
            else field(name, kind)
            for name, (kind, optional) in named.items()
        )
    )


@given(writer=fields_of, reader=fields_of)
@settings(max_examples=300, deadline=None)
def test_what_is_said_to_be_readable_is_read(writer: Json, reader: Json) -> None:
    wrote, reads = defaulted(writer), defaulted(reader)
    if obstacles(reads, wrote):
        return
    for datum in generate_many(fastavro.parse_schema(wrote, {}), 3):
        out = io.BytesIO()
        fastavro.schemaless_writer(out, fastavro.parse_schema(wrote, {}), datum)
        out.seek(0)
        fastavro.schemaless_reader(out, fastavro.parse_schema(wrote, {}), fastavro.parse_schema(reads, {}))
        assert out.read() == b""


@given(writer=primitives, reader=primitives)
def test_primitives_agree_with_another_implementation_of_the_rules(writer: str, reader: str) -> None:
    assume((writer, reader) != ("bytes", "string"))  # which depends on the bytes
    out = io.BytesIO()
    [datum] = generate_many(writer, 1)
    fastavro.schemaless_writer(out, writer, datum)
    out.seek(0)
    try:
        fastavro.schemaless_reader(out, writer, reader)
    except fastavro.read.SchemaResolutionError:
        assert obstacles(reader, writer)
    else:
        assert obstacles(reader, writer) == []


@given(writer=fields_of, changes=fields_of)
@settings(max_examples=300, deadline=None)
def test_the_verdict_is_that_of_apaches_own_implementation(writer: Json, changes: Json) -> None:
    wrote, reads = defaulted(writer), defaulted(writer | changes)
    assume("bytes" not in json.dumps(wrote))  # which Apache's reads as a string, though not all bytes are one
    checker = ReaderWriterCompatibilityChecker()  # type: ignore[no-untyped-call]
    verdict = checker.get_compatibility(avro.schema.parse(json.dumps(reads)), avro.schema.parse(json.dumps(wrote)))
    assert (verdict.compatibility is SchemaCompatibilityType.compatible) is not bool(obstacles(reads, wrote))


def incompatible(subject: str, versions: Sequence[Schema]) -> list[str]:
    """Every version must read, and be read by, every other: a topic holds records of all of them for years."""
    return [
        f"{subject}: {old.name} -> {new.name}: {breach}"
        for old, new in combinations(versions, 2)
        for breach in breaches(old.definition, new.definition)
    ]


def test_no_version_of_a_subject_is_incompatible_with_another() -> None:
    registry = checked_in()
    for subject, ids in registry.subjects.items():
        assert incompatible(subject, [registry.schemas[schema_id] for schema_id in ids]) == []


def test_an_incompatible_next_version_of_a_real_subject_would_be_found() -> None:
    points = checked_in().named("points.observed.v1")
    without = {**points.definition, "fields": [it for it in points.definition["fields"] if it["name"] != "values"]}
    next_version = Schema(1000, "points.observed.v1.2", json.dumps(without))
    assert incompatible("points.observed.v1-value", [points, next_version]) == [
        "points.observed.v1-value: points.observed.v1 -> points.observed.v1.2: "
        "old cannot read new: values: the writer has no such field and the reader no default for it"
    ]


def test_a_schema_with_an_id_never_changes() -> None:
    assert {schema.id: fingerprint(schema.definition) for schema in checked_in().schemas.values()} == FINGERPRINTS


def fingerprint(definition: Json) -> str:
    """Of all but the prose."""
    return hashlib.sha256(json.dumps(without_prose(definition)).encode()).hexdigest()[:16]


def without_prose(node: Json) -> Json:
    if isinstance(node, dict):
        return {key: without_prose(value) for key, value in node.items() if key != "doc"}
    return [without_prose(item) for item in node] if isinstance(node, list) else node
