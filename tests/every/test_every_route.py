"""What holds for every route of the API, whoever wrote it."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator

import httpx
import pytest
from fastapi import APIRouter, FastAPI
from fastapi.routing import APIRoute

from ingest_api.app import ENVELOPES, create_app
from ingest_api.auth import Entry
from ingest_api.openapi import document, guard_of, routes_of
from ingest_api.problems import STANDARD, envelope_for
from pipeline.errors import Broken
from tests.doubles.door import app_with, client_of, key_for

NOBODY, KEPT = key_for()
APP = app_with()
DOCUMENT = document(APP, ENVELOPES)
ROUTES = sorted(
    ((method, route.path) for route in routes_of(APP) for method in route.methods or ()),
    key=lambda each: (each[1], each[0]),
)
UNLIMITED = {"/live", "/ready"}


def route_at(method: str, path: str) -> APIRoute:
    return next(each for each in routes_of(APP) if each.path == path and method in (each.methods or ()))


def address(path: str) -> str:
    """A path with something in its braces that is a number, a name and an id at once."""
    return re.sub(r"{[^}]+}", "1", path)


@pytest.fixture
async def door() -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(app_with(api_keys=(KEPT,), rate_limits=1)) as http:
        yield http


@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_a_route_says_who_may_use_it_and_whether_it_is_limited(method: str, path: str) -> None:
    guard = guard_of(route_at(method, path))
    assert guard.limited == (path not in UNLIMITED)


def test_a_route_that_does_not_say_who_may_use_it_is_not_served() -> None:
    router = APIRouter()

    @router.get("/open")
    async def forgotten() -> None: ...

    app = FastAPI()
    app.include_router(router)
    with pytest.raises(Broken, match="/open"):
        [guard_of(route) for route in routes_of(app) if route.path == "/open"]


@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_a_route_reads_its_body_after_its_guard(method: str, path: str) -> None:
    assert route_at(method, path).body_field is None, "declare it with bodies.takes and read it with bodies.read"


@pytest.mark.parametrize(("method", "path"), ROUTES)
async def test_a_guarded_route_turns_strangers_away(door: httpx.AsyncClient, method: str, path: str) -> None:
    guard = guard_of(route_at(method, path))
    for headers in ({}, {"X-API-Key": "ncs_" + "0" * 32}, {"Authorization": "Bearer a.b.c"}):
        answer = await door.request(method, address(path), headers=headers)
        if guard.entry is Entry.ANYONE:
            assert answer.status_code != 401 or path == "/auth/login"
        else:
            assert answer.status_code == 401
            assert answer.headers["WWW-Authenticate"].startswith("Bearer")
            assert_enveloped(path, answer)


@pytest.mark.parametrize(("method", "path"), ROUTES)
async def test_a_guarded_route_names_the_permission_that_is_missing(
    door: httpx.AsyncClient, method: str, path: str
) -> None:
    guard = guard_of(route_at(method, path))
    if guard.permission is None:
        return
    answer = await door.request(method, address(path), headers={"X-API-Key": NOBODY})
    assert answer.status_code == 403
    assert guard.permission in answer.text
    assert_enveloped(path, answer)


@pytest.mark.parametrize(("method", "path"), ROUTES)
async def test_a_limited_route_tells_the_limit_and_ends_at_it(method: str, path: str) -> None:
    async with client_of(app_with(rate_limits=0.0001)) as http:
        first = await http.request(method, address(path))
        second = await http.request(method, address(path))
    if path in UNLIMITED:
        assert second.status_code != 429
        return
    assert first.headers["X-RateLimit-Limit"] == "1"
    assert second.status_code == 429
    assert int(second.headers["Retry-After"]) >= 1
    assert {"x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset", "x-ratelimit-window"} <= set(
        second.headers
    )
    assert_enveloped(path, second)


@pytest.mark.parametrize(("method", "path"), ROUTES)
async def test_a_wrong_method_is_answered_in_the_envelope(door: httpx.AsyncClient, method: str, path: str) -> None:
    answer = await door.request("TRACE", address(path))
    assert answer.status_code == 405
    assert set(answer.headers["Allow"].split(", ")) == {other for other, at in ROUTES if at == path}
    assert_enveloped(path, answer)


@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_openapi_lists_the_route_its_security_and_its_errors(method: str, path: str) -> None:
    operation = DOCUMENT["paths"][path][method.lower()]
    guard = guard_of(route_at(method, path))
    assert ("security" in operation) == (guard.entry is not Entry.ANYONE)
    expected = {"500", "503"} | ({"429"} if guard.limited else set())
    expected |= {"401"} if guard.entry is not Entry.ANYONE else set()
    expected |= {"403"} if guard.permission else set()
    assert expected <= set(operation["responses"])
    assert operation.get("description"), "say what it does in its docstring"


def test_every_reference_of_openapi_leads_somewhere() -> None:
    references = set(re.findall(r"'\$ref': '#/components/schemas/([^']+)'", str(DOCUMENT)))
    assert references
    assert references <= set(DOCUMENT["components"]["schemas"])


def test_the_application_refuses_to_start_with_an_unguarded_route(monkeypatch: pytest.MonkeyPatch) -> None:
    router = APIRouter()

    @router.get("/open")
    async def forgotten() -> None: ...

    monkeypatch.setattr("ingest_api.app.STREETS", (router,))
    with pytest.raises(Broken, match="/open"):
        create_app(APP.state.wiring.settings, APP.state.wiring)


def assert_enveloped(path: str, answer: httpx.Response) -> None:
    """The body is the documented error of the path's family."""
    envelope = envelope_for(path, ENVELOPES)
    assert answer.headers["Content-Type"] == envelope.media_type
    body = answer.json()
    assert set(body) == set(envelope.schema["properties"])
    if envelope is STANDARD:
        assert body["success"] is False
        assert set(body["error"]) - {"retry_after"} == {"code", "message", "details"}
        assert isinstance(body["detail"], str)
        assert body["request_id"] == answer.headers["X-Request-ID"]
        assert body["timestamp"].endswith("Z")
