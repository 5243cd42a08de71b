"""The envelope of a path, and what is written in it."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from starlette.requests import HTTPConnection

from ingest_api.envelopes import STANDARD, Envelope, Occasion, Renderer, envelope_for, possible_for, standard
from ingest_api.problems import Conflict, FieldError, Invalid, Problem, RateLimited, Unauthenticated
from pipeline.errors import LogUnavailable

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


def test_of_nested_prefixes_the_longest_decides_in_whatever_order() -> None:
    wide = Envelope("Wide", ("/api/admin",), standard, {})
    narrow = Envelope("Narrow", ("/api/admin/cache",), standard, {})
    for listed in ([wide, narrow], [narrow, wide]):
        assert envelope_for("/api/admin/users", listed) is wide
        assert envelope_for("/api/admin/cache", listed) is narrow
        assert envelope_for("/api/admin/cache/stats", listed) is narrow


def test_a_family_without_a_status_answers_with_one_it_has() -> None:
    other = Envelope("Other", ("/other",), standard, {}, status={422: 400})
    assert rendered(Invalid([FieldError("name", "too long")]), "/other", other)[0] == 400
    assert rendered(Conflict("The name is taken"), "/other", other)[0] == 409
    assert rendered(Invalid([FieldError("name", "too long")]), "/another", other)[0] == 422


def test_a_route_may_answer_one_request_in_another_familys_form() -> None:
    other = Envelope("Other", ("/other",), lambda problem, _: {"other": problem.message}, {}, also=("/login",))
    assert possible_for("/login", [other]) == (STANDARD, other)
    assert possible_for("/other", [other]) == (other,)
    scope: dict[str, Any] = {"type": "http", "path": "/login", "headers": [], "query_string": b"", "state": {}}
    connection = HTTPConnection(scope | {"server": ("x", 1), "scheme": "http"})
    renderer = Renderer(lambda: 0, [other])
    assert b'"success":false' in renderer.render(connection, Unauthenticated()).body
    connection.state.envelope = other
    assert renderer.render(connection, Unauthenticated("No")).body == b'{"other":"No"}'


def test_further_facts_stand_among_the_details() -> None:
    def details(details: object) -> object:
        return standard(Problem(409, "CONFLICT", "no", details, extra={"owner": "x"}), OCCASION)["error"]["details"]

    assert details(None) == {"owner": "x"}
    assert details({"name": "y"}) == {"name": "y", "owner": "x"}
    assert details(["y"]) == {"errors": ["y"], "owner": "x"}
