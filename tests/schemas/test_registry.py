"""Whatever is looked up in the registry is a schema or is said to be none."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.registry import canonical, checked_in

WORDS = st.sampled_from(
    [
        "record",
        "enum",
        "fixed",
        "array",
        "map",
        "error",
        "null",
        "int",
        "double",
        "string",
        "A",
        "a.B",
        "a..b",
        "",
        "x y",
    ]
)
KEYS = st.sampled_from(
    ["type", "name", "namespace", "fields", "items", "values", "symbols", "size", "aliases", "default", "logicalType",
     "precision", "scale", "order", "doc"]
)  # fmt: skip
PLAIN = WORDS | st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False)
NEARLY = st.recursive(
    PLAIN, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=5), max_leaves=30
)


@given(NEARLY)
def test_any_json_has_a_canonical_form_or_is_no_schema(definition: Any) -> None:
    refused = ""
    try:
        made = canonical(json.dumps(definition))
        assert canonical(made) == made
    except ValueError as error:
        refused = str(error)
    assert not refused or refused.startswith("not an Avro schema")


@given(st.text())
def test_any_text_is_a_schema_or_said_to_be_none(text: str) -> None:
    refused = ""
    try:
        canonical(text)
    except ValueError as error:
        refused = str(error)
    assert not refused or refused.startswith(("not JSON", "not an Avro schema"))


@pytest.mark.parametrize(
    "text", ["[" * 100_000, '{"type": "array", "items":' * 5000 + '"int"' + "}" * 5000, "9" * 5000, "NaN", ""]
)
def test_what_no_parser_likes_is_no_schema(text: str) -> None:
    with pytest.raises(ValueError, match=r"^not "):
        canonical(text)


def test_a_namespace_that_would_be_repeated_in_a_thousand_names_is_no_schema() -> None:
    fields = [{"name": f"f{n}", "type": {"type": "fixed", "size": 1, "name": f"n{n}"}} for n in range(700)]
    schema = {"type": "record", "name": "r", "namespace": "a" * 60_000, "fields": fields}
    with pytest.raises(ValueError, match="a name is longer than 1024 characters"):
        canonical(json.dumps(schema))
    assert len(canonical(json.dumps(schema | {"namespace": "a" * 1024}))) < 1_000_000


def test_what_is_checked_in_is_found_however_it_is_written() -> None:
    registry = checked_in()
    for subject, ids in registry.subjects.items():
        for version, schema_id in enumerate(ids, 1):
            text = json.dumps(registry.schemas[schema_id].definition, indent=3)
            assert registry.find(subject, text) == (version, registry.schemas[schema_id])
