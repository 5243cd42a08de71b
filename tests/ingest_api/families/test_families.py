"""Each family's errors are those that its documents show."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from jsonschema_rs import Draft202012Validator

from ingest_api.domains import ENVELOPES
from ingest_api.envelopes import STANDARD, Envelope, Occasion, envelope_for
from ingest_api.families import DASHBOARD, FAMILIES, MIRA, NEUROGRID, PYNOMALY
from ingest_api.json import encode
from ingest_api.problems import (
    Busy,
    Conflict,
    Encoded,
    FieldError,
    Forbidden,
    Invalid,
    InvalidCredentials,
    Malformed,
    NotFound,
    Problem,
    RateLimited,
    TokenExpired,
    TooLarge,
    TooSlow,
    Unauthenticated,
    problem_of,
)
from pipeline.errors import Broken, Misconfigured, Overloaded, Unavailable

OCCASION = Occasion("req_1", "2024-01-15T10:30:00.000Z")
FIELDS = [FieldError("name", "too long"), FieldError("price", "missing"), FieldError("name", "not a word")]
EVERY: list[Problem] = [
    Invalid(FIELDS),
    Malformed("Not JSON"),
    Unauthenticated(),
    Unauthenticated("The API key is not valid", error="invalid_token"),
    InvalidCredentials(extra={"requires_2fa": True}),
    TokenExpired(),
    Forbidden("admin"),
    NotFound(),
    NotFound("No such network", {"network_id": "net_1"}, reason="NETWORK_NOT_FOUND"),
    Conflict("The name is taken", {"field": "name"}),
    TooLarge(1024),
    TooSlow(30),
    Encoded("gzip"),
    RateLimited(100, 60, 30, {}),
    Busy("later"),
    Problem(400, "VALIDATION_ERROR", "no", "a sentence"),
    Problem(402, "PAYMENT_REQUIRED", "no", {"balance": 1.5, "timestamp": "mine"}, reason="INSUFFICIENT_BALANCE"),
    *(problem_of(error) for error in (Unavailable("x"), Overloaded("x"), Misconfigured("x"), Broken("x"))),
]


def written(envelope: Envelope, problem: Problem) -> Any:
    return json.loads(encode(envelope.body(problem, OCCASION)))


def code_in(envelope: Envelope, problem: Problem) -> str:
    error = written(envelope, problem)["error"]
    return str(error if isinstance(error, str) else error["code"])


def test_every_problem_there_is_is_among_those_tried_here() -> None:
    def kinds(of: type[Problem]) -> set[type[Problem]]:
        return {of}.union(*(kinds(each) for each in of.__subclasses__() if each.__module__ == Problem.__module__))

    assert kinds(Problem) == {type(each) for each in EVERY}


@pytest.mark.parametrize("envelope", [STANDARD, *FAMILIES], ids=lambda envelope: envelope.name)
@pytest.mark.parametrize("problem", EVERY, ids=lambda problem: f"{type(problem).__name__}-{problem.message[:20]}")
def test_every_problem_is_written_as_the_familys_schema_says(envelope: Envelope, problem: Problem) -> None:
    body = written(envelope, problem)
    Draft202012Validator(dict(envelope.schema), validate_formats=True).validate(body)
    assert set(body) - set(problem.extra) == set(envelope.schema["properties"]) - {"requires_2fa"}
    if "details" in envelope.schema["properties"]:
        assert set(problem.extra) <= set(body)


def test_pynomaly_tells_the_first_field_as_documented_and_all_besides() -> None:
    told = [{"field": each.field, "reason": each.message} for each in FIELDS]
    assert written(PYNOMALY, Invalid(FIELDS)) == {
        "error": {
            "code": "VALIDATION_ERROR",
            "message": "Request validation failed",
            "details": {"field": "name", "reason": "too long", "errors": told},
            "timestamp": OCCASION.timestamp,
            "request_id": "req_1",
        }
    }


def test_neurogrid_tells_what_is_wrong_by_field_in_a_flat_body() -> None:
    assert written(NEUROGRID, Invalid(FIELDS)) == {
        "error": "validation_error",
        "message": "Request validation failed",
        "details": {"name": "too long; not a word", "price": "missing"},
        "timestamp": OCCASION.timestamp,
    }
    assert NEUROGRID.status_of(422) == 400


def test_neurogrid_tells_at_the_top_that_a_second_factor_is_needed() -> None:
    problem = InvalidCredentials("A code is needed", extra={"requires_2fa": True, "error": "not this"})
    body = written(NEUROGRID, problem)
    assert body["requires_2fa"] is True
    assert body["error"] == "invalid_credentials"
    assert body["details"] == {}
    assert written(PYNOMALY, problem)["error"]["details"] == {"requires_2fa": True, "error": "not this"}


def test_mira_tells_which_network_is_meant_and_when() -> None:
    problem = NotFound("No such network", {"network_id": "invalid_id"}, reason="NETWORK_NOT_FOUND")
    assert written(MIRA, problem) == {
        "error": {
            "code": "INVALID_NETWORK_ID",
            "message": "No such network",
            "details": {"network_id": "invalid_id", "timestamp": OCCASION.timestamp},
            "request_id": "req_1",
        }
    }


def test_the_dashboard_gets_one_sentence() -> None:
    assert written(DASHBOARD, Forbidden("admin")) == {"detail": "The permission admin is missing"}
    fields = "name: too long; price: missing; name: not a word"
    assert written(DASHBOARD, Invalid(FIELDS)) == {"detail": f"Request validation failed: {fields}"}


@pytest.mark.parametrize(
    ("problem", "pynomaly", "neurogrid", "mira"),
    [
        (Unauthenticated(), "AUTHENTICATION_ERROR", "auth_required", "UNAUTHORIZED"),
        (Unauthenticated(error="invalid_token"), "AUTHENTICATION_ERROR", "invalid_credentials", "UNAUTHORIZED"),
        (InvalidCredentials(), "AUTHENTICATION_ERROR", "invalid_credentials", "UNAUTHORIZED"),
        (TokenExpired(), "AUTHENTICATION_ERROR", "token_expired", "UNAUTHORIZED"),
        (Forbidden("admin"), "AUTHORIZATION_ERROR", "forbidden", "AUTHORIZATION_ERROR"),
        (NotFound(), "RESOURCE_NOT_FOUND", "not_found", "NOT_FOUND"),
        (NotFound(reason="CLIENT_NOT_FOUND"), "RESOURCE_NOT_FOUND", "client_not_found", "INVALID_CLIENT_ID"),
        (Conflict("taken"), "CONFLICT", "conflict", "CONFLICT"),
        (RateLimited(1, 1, 1, {}), "RATE_LIMIT_ERROR", "rate_limit_exceeded", "RATE_LIMIT_EXCEEDED"),
        (Busy("later"), "SYSTEM_ERROR", "service_unavailable", "RESOURCE_ERROR"),
        (problem_of(Broken("x")), "SYSTEM_ERROR", "internal_error", "PROCESSING_ERROR"),
        (Problem(500, "PROCESSING_ERROR", "x", reason="TRAINING_FAILED"), "TRAINING_ERROR", "training_failed",
         "PROCESSING_ERROR"),
    ],
)  # fmt: skip
def test_each_family_has_its_word_for_it(problem: Problem, pynomaly: str, neurogrid: str, mira: str) -> None:
    words = [code_in(envelope, problem) for envelope in (PYNOMALY, NEUROGRID, MIRA)]
    assert words == [pynomaly, neurogrid, mira]


@pytest.mark.parametrize(
    ("path", "envelope"),
    [
        ("/api/detectors/1/train", PYNOMALY),
        ("/api/admin/users", PYNOMALY),
        ("/api/admin/cache/stats", NEUROGRID),
        ("/api/health/detailed", PYNOMALY),
        ("/api/auth/login", PYNOMALY),
        ("/api/auth/register", NEUROGRID),
        ("/api/auth/2fa/setup", NEUROGRID),
        ("/api/users/profile", NEUROGRID),
        ("/api/tasks/batch", NEUROGRID),
        ("/api/system/health", NEUROGRID),
        ("/api/system_metrics", DASHBOARD),
        ("/api/monitoring/status", DASHBOARD),
        ("/api/monitoring/nodes", NEUROGRID),
        ("/monitoring/status", DASHBOARD),
        ("/workers/worker-001/start", DASHBOARD),
        ("/api/workers/worker-001/start", DASHBOARD),
        ("/metrics", DASHBOARD),
        ("/ws/connections", DASHBOARD),
        ("/api/v1/networks/net_1/audio/status", MIRA),
        ("/api/v1/clients/client_1", MIRA),
        ("/api/v1/process_points", STANDARD),
        ("/api/v1/health", STANDARD),
        ("/auth/login", STANDARD),
        ("/health", STANDARD),
        ("/api/nothing", STANDARD),
        ("/", STANDARD),
    ],
)
def test_a_path_has_the_envelope_of_its_family(path: str, envelope: Envelope) -> None:
    assert envelope_for(path, ENVELOPES) is envelope


def test_no_two_families_claim_the_same_path() -> None:
    claimed = [prefix for envelope in ENVELOPES for prefix in envelope.prefixes]
    assert len(claimed) == len(set(claimed))
    assert all(re.fullmatch(r"(/[a-z0-9_.-]+)+", prefix) for prefix in claimed)
