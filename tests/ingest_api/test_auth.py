"""Who is at the door, and whether that one may pass."""

from __future__ import annotations

from typing import Annotated

import httpx
import pytest
from fastapi import APIRouter, Depends, FastAPI
from starlette.requests import HTTPConnection

from ingest_api.app import create_app
from ingest_api.auth import Entry, Guard, authenticate, is_local, may
from ingest_api.domain import Domain
from ingest_api.json import Json
from ingest_api.principal import Principal
from ingest_api.problems import Forbidden, Unauthenticated
from schemas.permissions import OWN, PERMISSIONS, SCOPES, permissions_of, scopes_of
from tests.doubles.desk import door_in, session_of, wired
from tests.doubles.door import client_of, key_for, settings_with

KEY, KEPT = key_for("read")
router = APIRouter()


@router.get("/test/read")
async def read(principal: Annotated[Principal, Depends(may("clustering:read", query=True))]) -> Json:
    """For who may read; the credential may stand in the address."""
    return Json({"id": principal.id})


@router.get("/test/write")
async def write(principal: Annotated[Principal, Depends(may("clustering:write"))]) -> Json:
    """For who may write."""
    return Json({"id": principal.id})


@pytest.fixture
def app(monkeypatch: pytest.MonkeyPatch) -> FastAPI:
    monkeypatch.setattr("ingest_api.app.DOMAINS", (Domain("test", router),))
    settings = settings_with(api_keys=(KEPT,), rate_limits=0.05)
    return create_app(settings, wired(settings))


def connection(
    app: FastAPI, kind: str = "websocket", query: str = "", client: str = "127.0.0.1", **headers: str
) -> HTTPConnection:
    raw = {"host": "127.0.0.1:8000"} | {name.replace("_", "-"): value for name, value in headers.items()}
    scope = {
        "type": kind,
        "app": app,
        "path": "/",
        "scheme": "http",
        "server": ("127.0.0.1", 8000),
        "client": (client, 1),
        "query_string": query.encode(),
        "headers": [(name.encode(), value.encode()) for name, value in raw.items()],
        "state": {},
    }
    return HTTPConnection(scope)


async def test_a_permission_lets_in_and_its_lack_is_named(app: FastAPI) -> None:
    async with client_of(app) as http:
        assert (await http.get("/test/read", headers={"X-API-Key": KEY})).json() == {"id": "key:tester"}
        refused = await http.get("/test/write", headers={"X-API-Key": KEY})
    assert refused.status_code == 403
    assert refused.json()["error"] == {
        "code": "AUTHORIZATION_ERROR",
        "message": "The permission clustering:write is missing",
        "details": {"missing": ["clustering:write"]},
    }


async def test_a_route_may_take_the_credential_from_the_address(app: FastAPI) -> None:
    async with client_of(app) as http:
        assert (await http.get("/test/read", params={"api_key": KEY})).status_code == 200
        assert (await http.get("/test/write", params={"api_key": KEY})).status_code == 401


async def test_a_principal_is_counted_by_itself_and_a_guesser_by_address(app: FastAPI) -> None:
    async with client_of(app) as http:
        guesses = [await http.get("/test/read", headers={"X-API-Key": f"ncs_{n:032x}"}) for n in range(31)]
        assert [answer.status_code for answer in guesses] == [401] * 30 + [429]
        assert (await http.get("/test/read", headers={"X-API-Key": KEY})).status_code == 200


async def test_a_websocket_is_authenticated_by_its_headers_or_its_address(app: FastAPI) -> None:
    door = door_in(app)
    await door.start()
    token = await session_of(door)
    await door.stop()
    for asked in (
        connection(app, query=f"api_key={KEY}"),
        connection(app, query=f"token={token}"),
        connection(app, x_api_key=KEY),
        connection(app, authorization=f"bearer {token}"),
    ):
        principal = await authenticate(asked)
        assert principal.may("clustering:read")
        assert asked.state.principal == principal.id


A_KEY_FOR_A_TOKEN = pytest.param(f"token={KEY}", id="token=key")  # the key is random, a test's name must not be


@pytest.mark.parametrize("query", ["", "token=", "api_key=", "token=a.b.c", "api_key=ncs_0", A_KEY_FOR_A_TOKEN])
async def test_a_websocket_without_a_valid_credential_is_refused(app: FastAPI, query: str) -> None:
    with pytest.raises(Unauthenticated):
        await authenticate(connection(app, query=query))


def test_local_is_who_sits_on_this_machine_and_says_so_by_name(app: FastAPI) -> None:
    assert is_local(connection(app, "http"))
    assert is_local(connection(app, "http", client="::1", host="localhost:8000"))
    assert is_local(connection(app, "http", origin="http://127.0.0.1:8000", sec_fetch_site="same-origin"))
    assert not is_local(connection(app, "http", host="localhost"))
    assert not is_local(connection(app, "http", client="192.0.2.1"))
    assert not is_local(connection(app, "http", host="evil.example"))
    assert not is_local(connection(app, "http", x_forwarded_for="127.0.0.1"))


def test_no_route_can_require_a_permission_there_is_not() -> None:
    with pytest.raises(ValueError, match="clustering:rule"):
        may("clustering:rule")
    with pytest.raises(ValueError, match="None"):
        Guard(Entry.PERMITTED)


def test_scopes_and_permissions_translate_both_ways() -> None:
    assert permissions_of(SCOPES) == PERMISSIONS - OWN
    assert scopes_of(PERMISSIONS - OWN) == ["read", "write", "admin"]
    assert scopes_of(permissions_of(["read"])) == ["read"]
    assert scopes_of(frozenset({"clustering:write"})) == ["clustering:write"]
    with pytest.raises(ValueError, match="rule"):
        permissions_of(["rule"])


def test_no_scope_implies_another() -> None:
    with pytest.raises(Forbidden):
        Principal("user:a", "a", permissions_of(["admin"])).require("clustering:read")


async def test_a_session_of_httpx_with_auth_in_the_url_is_not_let_in(app: FastAPI) -> None:
    async with client_of(app) as http:
        assert (await http.get("/test/read", auth=httpx.BasicAuth("admin", "admin123"))).status_code == 401
