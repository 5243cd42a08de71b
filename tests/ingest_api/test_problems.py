"""From a failure to an HTTP answer."""

from __future__ import annotations

import pytest
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from ingest_api.envelopes import Occasion, standard
from ingest_api.problems import (
    MAX_FIELD_ERRORS,
    Busy,
    FieldError,
    Forbidden,
    Invalid,
    Unauthenticated,
    invalid,
    problem_of,
)
from pipeline.errors import Broken, LogUnavailable, Misconfigured, Overloaded, WarehouseUnavailable

OCCASION = Occasion("req_1", "2025-01-15T10:30:00.000Z")


@pytest.mark.parametrize(
    ("error", "status", "code", "retry_after"),
    [
        (Overloaded("the secret of the inside", 2.2), 503, "RESOURCE_ERROR", "3"),
        (LogUnavailable("the secret of the inside"), 503, "RESOURCE_ERROR", "1"),
        (WarehouseUnavailable("the secret of the inside"), 503, "RESOURCE_ERROR", "1"),
        (Misconfigured("the secret of the inside"), 500, "CONFIGURATION_ERROR", None),
        (Broken("the secret of the inside"), 500, "PROCESSING_ERROR", None),
        (RuntimeError("the secret of the inside"), 500, "PROCESSING_ERROR", None),
        (HTTPException(404), 404, "NOT_FOUND", None),
        (HTTPException(405), 405, "METHOD_NOT_ALLOWED", None),
        (HTTPException(401), 401, "AUTHENTICATION_ERROR", None),
        (HTTPException(400, "There was an error parsing the body"), 400, "VALIDATION_ERROR", None),
        (HTTPException(500, "Internal"), 500, "PROCESSING_ERROR", None),
    ],
)
def test_each_failure_has_its_answer_and_says_nothing_of_the_inside(
    error: Exception, status: int, code: str, retry_after: str | None
) -> None:
    problem = problem_of(error)
    assert (problem.status, problem.code) == (status, code)
    assert problem.headers.get("Retry-After") == retry_after
    assert "secret" not in str(standard(problem, OCCASION))


def test_all_field_errors_are_told_at_once_by_their_path() -> None:
    problem = problem_of(
        RequestValidationError(
            [
                {"type": "x", "loc": ("body", "points", 0), "msg": "Value error, Point must not be empty"},
                {"type": "x", "loc": ("query", "limit"), "msg": "Input should be at least 1"},
                {"type": "x", "loc": ("clustering_config", "threshold"), "msg": "Too small"},
                {"type": "x", "loc": (), "msg": "Not an object"},
            ]
        )
    )
    assert problem.status == 422
    assert problem.details == [
        FieldError("points.0", "Point must not be empty"),
        FieldError("limit", "Input should be at least 1"),
        FieldError("clustering_config.threshold", "Too small"),
        FieldError("body", "Not an object"),
    ]


def test_broken_json_is_400_whatever_else_is_wrong() -> None:
    problem = invalid([{"type": "json_invalid", "loc": (), "msg": "", "ctx": {"error": "EOF at line 1"}}])
    assert (problem.status, problem.code) == (400, "VALIDATION_ERROR")
    assert "EOF at line 1" in problem.message


def test_more_field_errors_than_anyone_reads_are_not_listed() -> None:
    problem = Invalid([FieldError(f"points.{n}", "no") for n in range(10_000)])
    assert len(problem.details) == MAX_FIELD_ERRORS
    assert "only the first 100 errors" in problem.message
    assert len(problem.detail) < 400


def test_a_challenge_is_told_as_the_bearer_rfc_wants() -> None:
    assert Unauthenticated().headers == {"WWW-Authenticate": 'Bearer realm="thalweg"'}
    challenge = Unauthenticated("expired", error="invalid_token").headers["WWW-Authenticate"]
    assert challenge == 'Bearer realm="thalweg", error="invalid_token"'
    assert "admin" in Forbidden("admin").message


def test_a_retry_is_at_least_a_second_away() -> None:
    assert Busy("later", 0.01).headers == {"Retry-After": "1"}
