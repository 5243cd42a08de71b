"""From a failure to an HTTP answer."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection

from ingest_api.problems import (
    MAX_FIELD_ERRORS,
    STANDARD,
    Busy,
    Envelope,
    FieldError,
    Forbidden,
    Invalid,
    Occasion,
    Problem,
    RateLimited,
    Renderer,
    Unauthenticated,
    envelope_for,
    invalid,
    problem_of,
    standard,
)
from pipeline.errors import Broken, LogUnavailable, Misconfigured, Overloaded, WarehouseUnavailable

OCCASION = Occasion("req_1", "2025-01-15T10:30:00.000Z")


def test_the_documented_envelope_is_met_to_the_letter() -> None:
    problem = Invalid([FieldError("points.0", "Point must contain at least 1 dimension")])
    body = standard(problem, OCCASION)
    assert body == {
        "success": False,
        "error": {
            "code": "VALIDATION_ERROR",
            "message": "Request validation failed",
            "details": [FieldError("points.0", "Point must contain at least 1 dimension")],
        },
        "request_id": "req_1",
        "timestamp": "2025-01-15T10:30:00.000Z",
        "detail": "Request validation failed: points.0: Point must contain at least 1 dimension",
    }


def test_a_rate_limit_tells_when_to_come_back_twice_over() -> None:
    error = standard(RateLimited(100, 60, 30, {"Retry-After": "30"}), OCCASION)["error"]
    assert error == {
        "code": "RATE_LIMIT_ERROR",
        "message": "Rate limit exceeded",
        "details": {"limit": 100, "window": "60s", "retry_after": 30},
        "retry_after": 30,
    }


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


def test_an_envelope_holds_for_whole_segments_of_a_path() -> None:
    other = Envelope("Other", ("/api/admin", "/x/"), lambda problem, _: {"other": problem.message}, {})
    assert envelope_for("/api/admin", [other]) is other
    assert envelope_for("/api/admin/users", [other]) is other
    assert envelope_for("/x/y", [other]) is other
    assert envelope_for("/api/administrators", [other]) is STANDARD
    assert envelope_for("/", [other]) is STANDARD


def rendered(error: Exception, path: str = "/api/v1/x", *envelopes: Envelope) -> tuple[int, bytes]:
    scope: dict[str, Any] = {"type": "http", "path": path, "headers": [], "server": ("x", 1), "scheme": "http"}
    scope |= {"query_string": b"", "state": {"request_id": "req_9"}}
    answer = Renderer(lambda: 0, envelopes).render(HTTPConnection(scope), error)
    return answer.status_code, bytes(answer.body)


def test_an_answer_is_written_in_the_envelope_of_its_path() -> None:
    other = Envelope("Other", ("/other",), lambda problem, occasion: {"at": occasion.timestamp}, {}, "text/x")
    assert rendered(Problem(418, "X", "x"), "/other/1", other) == (418, b'{"at":"1970-01-01T00:00:00.000Z"}')
    assert b'"success":false' in rendered(Problem(418, "X", "x"), "/another", other)[1]


def test_the_unexpected_is_logged_with_its_traceback_and_the_passing_without(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.ERROR):
        rendered(RuntimeError("ours"))
        rendered(LogUnavailable("Kafka is away"))
        rendered(Unauthenticated())
    ours, away = caplog.records
    assert ours.exc_info
    assert not away.exc_info
    assert all("req_9" in record.getMessage() for record in caplog.records)
