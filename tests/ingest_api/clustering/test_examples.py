"""Every body and answer of the street has an example in OpenAPI, and the example is one."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import BaseModel

from ingest_api.clustering import models
from tests.every.test_every_route import DOCUMENT

MODELS = [each for each in vars(models).values() if isinstance(each, type) and issubclass(each, BaseModel)]
SHOWN = [model for model in MODELS if model.model_config.get("json_schema_extra")]
OPERATIONS = [
    (path, method, operation)
    for path, methods in DOCUMENT["paths"].items()
    for method, operation in methods.items()
    if "clustering" in operation.get("tags", ())
]


def resolved(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema itself, where it is a reference."""
    if "$ref" not in schema:
        return schema
    found: dict[str, Any] = DOCUMENT["components"]["schemas"][schema["$ref"].rsplit("/", 1)[1]]
    return found


@pytest.mark.parametrize("model", SHOWN)
def test_an_example_fits_its_model_and_leaves_nothing_unexplained(model: type[BaseModel]) -> None:
    extra: Any = model.model_config["json_schema_extra"]
    for example in extra["examples"]:
        read = model.model_validate(example)
        assert set(example) <= set(model.model_fields)
        assert set(read.model_fields_set) == set(example)


@pytest.mark.parametrize(("path", "method", "operation"), OPERATIONS)
def test_bodies_and_answers_are_shown_by_example(path: str, method: str, operation: dict[str, Any]) -> None:
    contents = [operation["requestBody"]["content"]] if "requestBody" in operation else []
    contents += [answer["content"] for status, answer in operation["responses"].items() if status < "300"]
    assert contents
    for content in contents:
        assert resolved(content["application/json"]["schema"]).get("examples"), f"{method} {path}"


def test_the_street_is_all_there() -> None:
    assert {path for path, _, _ in OPERATIONS} == {
        "/api/v1/process_points",
        "/api/v1/process_batch",
        "/api/v1/clusters_summary",
        "/api/v1/algorithm_status",
        "/api/v1/requests/{request_id}",
        "/api/v1/streams",
        "/api/v1/streams/{stream}",
        "/api/v1/streams/{stream}/reset",
    }
