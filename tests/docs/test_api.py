"""The examples of the API reference are what the API's own description allows."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from jsonschema_rs import Draft202012Validator

from ingest_api.app import create_app
from ingest_api.domains import ENVELOPES
from ingest_api.envelopes import Envelope, Occasion
from ingest_api.openapi import document
from ingest_api.problems import Problem
from tests.docs.documents import ROOT, rows, spans
from tests.doubles.desk import wired
from tests.doubles.door import settings_with

TEXT = (ROOT / "docs" / "api.md").read_text("utf-8")


ERRORS = re.split(r"^## ", TEXT, flags=re.MULTILINE)[3]
"""The section of that name."""


def examples() -> list[tuple[str, str, Any]]:
    """(endpoint, `request` or status, body); of errors the endpoint is empty, and the form takes the status's place."""
    found, heading = [], ""
    for match in re.finditer(r"^### ([^\n]+)$|^```json (\w+)\n(.*?)^```$", TEXT, re.DOTALL | re.MULTILINE):
        if match[1]:
            heading = match[1]
        else:
            found.append((heading, match[2], json.loads(match[3])))
    return found


EXAMPLES = examples()


@pytest.fixture(scope="module")
def described() -> Any:
    settings = settings_with()
    return json.loads(json.dumps(document(create_app(settings, wired(settings)), ENVELOPES)))


def schema_of(described: Any, endpoint: str, what: str) -> Any:
    if not endpoint:
        return {"$ref": f"#/components/schemas/{'Error' if what == 'error' else what}"}
    method, path = endpoint.split()
    operation = described["paths"][path][method.lower()]
    content = operation["requestBody"]["content"] if what == "request" else operation["responses"][what]["content"]
    return content["application/json"]["schema"]


@pytest.mark.parametrize(("endpoint", "what", "body"), EXAMPLES, ids=[f"{one} {two}" for one, two, _ in EXAMPLES])
def test_an_example_is_as_the_description_says(described: Any, endpoint: str, what: str, body: Any) -> None:
    schema = {**schema_of(described, endpoint, what), "components": described["components"]}
    errors = [
        f"{'.'.join(map(str, error.instance_path))}: {error.message}"
        for error in Draft202012Validator(schema).iter_errors(body)
    ]
    assert errors == []


@pytest.mark.parametrize(("endpoint", "what", "body"), EXAMPLES, ids=[f"{one} {two}" for one, two, _ in EXAMPLES])
def test_an_example_shows_no_field_that_is_not_described(described: Any, endpoint: str, what: str, body: Any) -> None:
    schema = schema_of(described, endpoint, what)
    model = described["components"]["schemas"][schema["$ref"].rsplit("/", 1)[-1]] if "$ref" in schema else schema
    assert set(body) <= set(model["properties"])


def test_every_endpoint_with_a_json_answer_has_an_example(described: Any) -> None:
    shown = {endpoint for endpoint, what, _ in EXAMPLES if what == "200"}
    for path, operations in described["paths"].items():
        for method, operation in operations.items():
            schema = operation["responses"].get("200", {}).get("content", {}).get("application/json", {}).get("schema")
            if schema and "$ref" in schema and path != "/api/v1/health":
                assert f"{method.upper()} {path}" in shown


def row_of(first: str) -> list[str]:
    """The last row whose first cell is this alone."""
    return [cells for cells in rows(ERRORS) if cells[0] == f"`{first}`"][-1]


@pytest.mark.parametrize("envelope", ENVELOPES, ids=lambda envelope: envelope.name)
def test_each_form_of_error_is_told_with_its_addresses_its_status_for_fields_and_an_example(envelope: Envelope) -> None:
    _, addresses, status = row_of(envelope.name)
    assert spans(addresses) == list(envelope.prefixes)
    assert status == str(envelope.status_of(422))
    assert envelope.name in {what for _, what, _ in EXAMPLES}
    assert set(envelope.also) <= set(spans(ERRORS))


@pytest.mark.parametrize("code", sorted(set(re.findall(r"^\| `([A-Z_]+)` \|", ERRORS, re.MULTILINE))))
def test_each_familys_word_for_a_code_is_the_one_it_writes(code: str) -> None:
    header = next(cells for cells in rows(ERRORS) if cells[0] == "code")
    for name, words in zip(header[1:], row_of(code)[1:], strict=True):
        envelope = next(each for each in ENVELOPES if f"`{each.name}`" == name)
        error = envelope.body(Problem(500, code, "x"), Occasion("req_1", ""))["error"]
        assert (error if isinstance(error, str) else error["code"]) == spans(words)[0]


def test_every_code_of_ours_is_translated_in_the_table() -> None:
    ours = {code for cells in rows(ERRORS) if len(cells) == 3 for code in re.findall(r"`([A-Z_]+)`", cells[1])}
    assert len(ours) == 10
    assert all(len(row_of(code)) == 4 for code in ours)
