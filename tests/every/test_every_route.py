"""What holds for every route of the API, whoever wrote it, and for a route of each family whose own are to come.

The application is made once, and so is that of which everything is limited: two for each route would be minutes.
"""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from functools import cache
from typing import Any

import httpx
import pytest
from fastapi import APIRouter, FastAPI
from fastapi.routing import APIRoute
from jsonschema_rs import Draft202012Validator

from ingest_api.app import create_app
from ingest_api.auth import Entry, Guard
from ingest_api.domain import Domain
from ingest_api.domains import ENVELOPES
from ingest_api.envelopes import STANDARD, envelope_for, possible_for
from ingest_api.openapi import document, guard_of, routes_of
from pipeline.errors import Broken, LogUnavailable, Misconfigured, Overloaded
from tests.doubles.desk import door_in, session_of
from tests.doubles.door import app_with, client_of, key_for
from tests.doubles.families import app_of_every_family
from tests.inside import INSIDE

NOBODY, KEPT = key_for()
ANYTHING, KEPT_TOO = key_for("read", "write", "admin", name="anything")
BODY_LIMIT = 256 * 1024
APP = app_of_every_family(api_keys=(KEPT, KEPT_TOO), body_limit=BODY_LIMIT)
DOCUMENT = document(app_with(), ENVELOPES)
DESCRIBED = document(APP, ENVELOPES)
ROUTES = sorted(
    ((method, route.path_format) for route in routes_of(APP) for method in route.methods or ()),
    key=lambda each: (each[1], each[0]),
)
UNLIMITED = {"/live", "/ready"}
FAILURES = {ValueError: 500, Broken: 500, Misconfigured: 500, LogUnavailable: 503, Overloaded: 503}
ALONE = "This server has no clustering street"
"""Answered before a body is read: what its routes say to bodies is seen where the street is (tests/fuzz)."""

each_route = pytest.mark.parametrize(("method", "path"), ROUTES)


def route_at(method: str, path: str) -> APIRoute:
    return next(each for each in routes_of(APP) if each.path_format == path and method in (each.methods or ()))


def address(path: str) -> str:
    """A path with something in its braces that is a number, a name and an id at once."""
    return re.sub(r"{[^}]+}", "1", path)


def operation_at(method: str, path: str) -> dict[str, Any]:
    operation: dict[str, Any] = DESCRIBED["paths"][path][method.lower()]
    return operation


@pytest.fixture(scope="module")
async def door() -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(APP) as http:
        yield http


@pytest.fixture(scope="module")
async def miserly() -> AsyncIterator[FastAPI]:
    """An application of which everybody may ask each limited thing once, while its parts run."""
    app = app_of_every_family(rate_limits=0.0001)
    async with app.router.lifespan_context(app):
        yield app


def caller_of(app: FastAPI, number: int) -> httpx.AsyncClient:
    """A client at an address of its own, which has asked nothing yet."""
    transport = httpx.ASGITransport(app, client=(f"10.1.{number // 250}.{1 + number % 250}", 50000))
    return httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1")


async def entitled() -> dict[str, str]:
    """Headers of the administrator, who may do everything there is; anew each time, since some routes end a session."""
    return {"Authorization": f"Bearer {await session_of(door_in(APP))}"}


@each_route
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


@each_route
def test_a_route_reads_its_body_after_its_guard(method: str, path: str) -> None:
    assert route_at(method, path).body_field is None, "declare it with bodies.takes and read it with bodies.read"


@each_route
async def test_a_guarded_route_turns_strangers_away(door: httpx.AsyncClient, method: str, path: str) -> None:
    guard = guard_of(route_at(method, path))
    for headers in ({}, {"X-API-Key": "ncs_" + "0" * 32}, {"Authorization": "Bearer a.b.c"}):
        answer = await door.request(method, address(path), headers=headers)
        if guard.entry is Entry.ANYONE:
            assert answer.status_code != 401 or "requestBody" in operation_at(method, path)
        else:
            assert answer.status_code == 401
            assert answer.headers["WWW-Authenticate"].startswith("Bearer")
            assert_described(method, path, answer)


@each_route
async def test_a_guarded_route_names_the_permission_that_is_missing(
    door: httpx.AsyncClient, method: str, path: str
) -> None:
    guard = guard_of(route_at(method, path))
    if guard.permission is None:
        return
    answer = await door.request(method, address(path), headers={"X-API-Key": NOBODY})
    assert answer.status_code == 403
    assert guard.permission in answer.text
    assert_described(method, path, answer)


@each_route
async def test_a_limited_route_tells_the_limit_and_ends_at_it(miserly: FastAPI, method: str, path: str) -> None:
    async with caller_of(miserly, ROUTES.index((method, path))) as http:
        first = await http.request(method, address(path))
        second = await http.request(method, address(path))
    if path in UNLIMITED:
        assert second.status_code != 429
        return
    assert first.status_code != 429
    assert first.headers["X-RateLimit-Limit"] == "1"
    assert second.status_code == 429
    assert int(second.headers["Retry-After"]) >= 1
    assert {"x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset", "x-ratelimit-window"} <= set(
        second.headers
    )
    assert_described(method, path, second)


@each_route
async def test_a_wrong_method_is_answered_in_the_envelope(door: httpx.AsyncClient, method: str, path: str) -> None:
    answer = await door.request("TRACE", address(path))
    assert answer.status_code == 405
    methods = {other for other, at in ROUTES if at == path}
    assert set(answer.headers["Allow"].split(", ")) == methods | ({"HEAD"} if "GET" in methods else set())
    assert_enveloped(path, answer)


@each_route
async def test_a_body_that_cannot_be_read_is_answered_as_described(
    door: httpx.AsyncClient, method: str, path: str
) -> None:
    for media_type in operation_at(method, path).get("requestBody", {}).get("content", {}):
        for body in (b"{", b"\xff\xfe", b"[]", b'{"name": 1, "username": ["x"], "points": {}, "schema": 7}'):
            headers = await entitled() | {"Content-Type": media_type}
            answer = await door.request(method, address(path), content=body, headers=headers)
            assert 400 <= answer.status_code < 500 or ALONE in answer.text, answer.text
            assert answer.status_code not in (401, 403, 405)
            assert_described(method, path, answer)


@each_route
async def test_a_parameter_that_cannot_be_used_is_answered_as_described(
    door: httpx.AsyncClient, method: str, path: str
) -> None:
    named = [each["name"] for each in operation_at(method, path).get("parameters", ()) if each["in"] == "query"]
    for name in named:
        for value in ("-1", "no number", "\x00", "x" * 2000):
            answer = await door.request(method, address(path), params={name: value}, headers={"X-API-Key": ANYTHING})
            if answer.status_code >= 400:
                assert_described(method, path, answer)


@each_route
async def test_a_body_that_nobody_wants_is_answered_in_the_envelope(
    door: httpx.AsyncClient, method: str, path: str
) -> None:
    unwanted: dict[int, tuple[bytes, dict[str, str]]] = {
        413: (b" " * (BODY_LIMIT + 1), {}),
        415: (b"{}", {"Content-Encoding": "gzip"}),
    }
    for status, (body, headers) in unwanted.items():
        answer = await door.request(method, address(path), content=body, headers={"X-API-Key": ANYTHING, **headers})
        assert answer.status_code == status
        assert_enveloped(path, answer)
        if "requestBody" in operation_at(method, path):
            assert_described(method, path, answer)


@each_route
async def test_a_failure_inside_is_answered_as_described_and_tells_nothing_of_itself(
    door: httpx.AsyncClient, method: str, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for kind, status in FAILURES.items():

        async def fails(*_: object, kind: type[Exception] = kind, **__: object) -> None:
            raise kind('File "/root/inside.py" in librdkafka')

        monkeypatch.setattr(Guard, "__call__", fails)
        answer = await door.request(method, address(path), headers={"X-API-Key": ANYTHING})
        assert answer.status_code == status, kind
        assert ("Retry-After" in answer.headers) == (status == 503), kind
        assert_described(method, path, answer)


@pytest.mark.parametrize("prefix", sorted({prefix for each in (STANDARD, *ENVELOPES) for prefix in each.prefixes}))
async def test_an_address_that_is_not_there_is_answered_in_the_form_of_its_family(
    door: httpx.AsyncClient, prefix: str
) -> None:
    for path in (f"{prefix.rstrip('/')}/no/such/address", f"{prefix.rstrip('/')}/%2e%2e/%00"):
        answer = await door.get(path, headers={"X-API-Key": ANYTHING})
        assert answer.status_code == 404
        assert_enveloped(path, answer)


async def test_where_two_families_meet_either_form_is_answered_as_described(door: httpx.AsyncClient) -> None:
    path = "/api/auth/login"
    pynomaly, neurogrid = possible_for(path, ENVELOPES)
    plain = await door.post(path, json={"username": "nobody", "password": "wrong"})
    flat = await door.post(path, json={"identifier": "nobody", "password": "wrong"})
    assert (plain.status_code, flat.status_code) == (401, 401)
    assert set(plain.json()) == set(pynomaly.schema["properties"])
    assert set(flat.json()) <= set(neurogrid.schema["properties"])
    assert flat.json()["error"] == "invalid_credentials"
    described = operation_at("POST", path)["responses"]
    assert len(described["400"]["content"]["application/json"]["schema"]["anyOf"]) == 2
    assert described["422"]["content"]["application/json"]["schema"] == {"$ref": "#/components/schemas/PynomalyError"}


@each_route
def test_openapi_lists_the_route_its_security_and_its_errors(method: str, path: str) -> None:
    operation = operation_at(method, path)
    guard = guard_of(route_at(method, path))
    assert ("security" in operation) == (guard.entry is not Entry.ANYONE)
    expected = {"500", "503"} | ({"429"} if guard.limited else set())
    expected |= {"401"} if guard.entry is not Entry.ANYONE else set()
    expected |= {"403"} if guard.permission else set()
    assert expected <= set(operation["responses"])
    assert operation.get("description"), "say what it does in its docstring"


@each_route
def test_openapi_lists_no_status_that_the_family_does_not_have(method: str, path: str) -> None:
    possible = possible_for(path, ENVELOPES)
    for status in operation_at(method, path)["responses"]:
        assert any(envelope.status_of(int(status)) == int(status) for envelope in possible)


def test_every_reference_of_openapi_leads_somewhere() -> None:
    references = set(re.findall(r"'\$ref': '#/components/schemas/([^']+)'", str(DESCRIBED)))
    assert references
    assert references <= set(DESCRIBED["components"]["schemas"])


def test_the_application_refuses_to_start_with_an_unguarded_route(monkeypatch: pytest.MonkeyPatch) -> None:
    router = APIRouter()

    @router.get("/open")
    async def forgotten() -> None: ...

    monkeypatch.setattr("ingest_api.app.DOMAINS", (Domain("test", router),))
    with pytest.raises(Broken, match="/open"):
        create_app(APP.state.wiring.settings, APP.state.wiring)


def assert_described(method: str, path: str, answer: httpx.Response) -> None:
    """Its status is listed, and its body is as the description says and in the form of its family."""
    listed = operation_at(method, path)["responses"]
    assert str(answer.status_code) in listed, answer.text
    schema = listed[str(answer.status_code)]["content"][answer.headers["Content-Type"]]["schema"]
    validator_of(json.dumps(schema)).validate(answer.json())
    assert_enveloped(path, answer)


@cache
def validator_of(schema: str) -> Draft202012Validator:
    """Of a schema in JSON, whose references are those of DESCRIBED."""
    return Draft202012Validator({**json.loads(schema), "components": DESCRIBED["components"]}, validate_formats=True)


def assert_enveloped(path: str, answer: httpx.Response) -> None:
    """The body is the documented error of the path's family, of this very request, and says nothing of the inside."""
    envelope = envelope_for(path, ENVELOPES)
    assert answer.headers["Content-Type"] == envelope.media_type
    body = answer.json()
    Draft202012Validator(dict(envelope.schema), validate_formats=True).validate(body)
    assert set(body) == set(envelope.schema["properties"]) - {"requires_2fa"}
    error = body.get("error")
    for holder in (body, error if isinstance(error, dict) else {}):
        assert holder.get("request_id", answer.headers["X-Request-ID"]) == answer.headers["X-Request-ID"]
    assert INSIDE.search(answer.text) is None
    if envelope is STANDARD:
        assert set(body["error"]) - {"retry_after"} == {"code", "message", "details"}
