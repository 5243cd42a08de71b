"""Errors as a Schema Registry writes them: a number that clients know, and a message."""

from __future__ import annotations

from typing import Any

from ingest_api.envelopes import Envelope, Occasion
from ingest_api.problems import Problem

MEDIA_TYPE = "application/vnd.schemaregistry.v1+json"
_SHOWN = 250
"""Characters that an answer repeats of a request."""


class RegistryProblem(Problem):
    """`error_code` is Confluent's: its first three digits are the HTTP status."""

    def __init__(self, error_code: int, message: str) -> None:
        super().__init__(int(str(error_code)[:3]), "VALIDATION_ERROR", message)
        self.error_code = error_code


def subject_not_found(subject: str) -> RegistryProblem:
    return RegistryProblem(40401, f"Subject '{subject[:_SHOWN]}' not found.")


def version_not_found(version: str) -> RegistryProblem:
    return RegistryProblem(40402, f"Version {version[:_SHOWN]} not found.")


def schema_not_found() -> RegistryProblem:
    return RegistryProblem(40403, "Schema not found")


def invalid_schema(reason: str) -> RegistryProblem:
    return RegistryProblem(42201, f"Invalid schema: {reason}")


def invalid_version(version: str) -> RegistryProblem:
    return RegistryProblem(
        42202,
        f"The specified version '{version[:_SHOWN]}' is not a valid version id; it is a positive number or \"latest\".",
    )


def read_only() -> RegistryProblem:
    return RegistryProblem(42205, "This registry is read-only: schemas are checked in with the project")


def write(problem: Problem, occasion: Occasion) -> dict[str, Any]:
    """The body of the read API's errors, whoever raised them."""
    number = problem.error_code if isinstance(problem, RegistryProblem) else problem.status
    return {"error_code": number, "message": problem.detail}


_SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["error_code", "message"],
    "properties": {
        "error_code": {"type": "integer", "examples": [40401]},
        "message": {"type": "string"},
    },
}

ENVELOPE = Envelope(
    "RegistryError", ("/subjects", "/schemas", "/config", "/mode", "/compatibility"), write, _SCHEMA, MEDIA_TYPE
)
