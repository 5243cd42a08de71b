"""Logging in and being recognised, as the settings allow."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator

import httpx
import pytest

from ingest_api.accounts import passwords
from ingest_api.accounts.passwords import Passwords
from pipeline.errors import Overloaded
from tests.doubles.door import ADMIN_PASSWORD, app_with, client_of, key_for

KEY, KEPT = key_for("read")
RIGHT = {"username": "admin", "password": ADMIN_PASSWORD}
DEVELOPMENT = {"username": "admin", "password": "admin123"}


@pytest.fixture
async def http() -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(app_with(api_keys=(KEPT,))) as client:
        yield client


async def token_from(http: httpx.AsyncClient) -> str:
    return str((await http.post("/auth/login", data=RIGHT)).json()["access_token"])


async def test_a_form_and_json_log_in_alike(http: httpx.AsyncClient) -> None:
    for answer in (await http.post("/auth/login", data=RIGHT), await http.post("/auth/login", json=RIGHT)):
        assert answer.status_code == 200
        body = answer.json()
        assert set(body) == {"access_token", "token_type", "expires_in", "scope"}
        assert (body["token_type"], body["expires_in"], body["scope"]) == ("bearer", 3600, "read write admin")


async def test_a_token_and_a_key_are_recognised(http: httpx.AsyncClient) -> None:
    by_token = await http.get("/auth/me", headers={"Authorization": f"Bearer {await token_from(http)}"})
    assert by_token.json() == {
        "id": "user:admin",
        "name": "admin",
        "scope": "read write admin",
        "permissions": ["admin", "clustering:read", "clustering:write"],
    }
    by_key = await http.get("/auth/me", headers={"X-API-Key": KEY})
    assert by_key.json()["id"] == "key:tester"
    assert by_key.json()["permissions"] == ["clustering:read"]


async def test_a_credential_in_the_address_is_not_taken_where_headers_can_be_set(http: httpx.AsyncClient) -> None:
    assert (await http.get("/auth/me", params={"api_key": KEY})).status_code == 401
    assert (await http.get("/auth/me", params={"token": await token_from(http)})).status_code == 401


async def test_a_wrong_token_is_not_mended_by_a_right_key(http: httpx.AsyncClient) -> None:
    answer = await http.get("/auth/me", headers={"Authorization": "Bearer nonsense", "X-API-Key": KEY})
    assert answer.status_code == 401


@pytest.mark.parametrize(
    "authorization", ["", "Bearer", "Bearer ", "Basic YWRtaW46YWRtaW4=", "Bearer \xff\xfe", "x" * 9000]
)
async def test_a_strange_authorization_header_is_401(http: httpx.AsyncClient, authorization: str) -> None:
    answer = await http.get("/auth/me", headers={b"Authorization": authorization.encode("latin-1")})
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"].startswith('Bearer realm="thalweg"')


async def test_an_unknown_user_and_a_wrong_password_are_answered_alike(
    http: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    worked: list[str] = []
    verify = passwords._verify

    def noted(kept: str, given: str) -> bool:
        worked.append(kept)
        return verify(kept, given)

    monkeypatch.setattr(passwords, "_verify", noted)
    unknown = await http.post("/auth/login", data={"username": "nobody", "password": ADMIN_PASSWORD})
    wrong = await http.post("/auth/login", data={"username": "admin", "password": "wrong"})
    assert unknown.status_code == wrong.status_code == 401
    assert unknown.json()["error"] == wrong.json()["error"]
    assert len(worked) == 2
    assert all(kept.startswith("$argon2id$v=19$m=19456,t=2,p=1$") for kept in worked)


@pytest.mark.parametrize(
    ("content", "media_type", "status", "fields"),
    [
        (b"", "application/x-www-form-urlencoded", 422, {"username", "password"}),
        (b"username=admin", "application/x-www-form-urlencoded", 422, {"password"}),
        (b"username=admin&password=", "application/x-www-form-urlencoded", 422, {"password"}),
        (b"\xff\xfe", "application/x-www-form-urlencoded", 400, {"body"}),
        (b"&".join([b"a=b"] * 100), "application/x-www-form-urlencoded", 400, {"body"}),
        (b"{", "application/json", 400, {"body"}),
        (b"[]", "application/json", 422, {"body"}),
        (b'{"username": 1, "password": null}', "application/json; charset=utf-8", 422, {"username", "password"}),
    ],
)
async def test_a_login_that_cannot_be_read_says_every_field(
    http: httpx.AsyncClient, content: bytes, media_type: str, status: int, fields: set[str]
) -> None:
    answer = await http.post("/auth/login", content=content, headers={"Content-Type": media_type})
    assert answer.status_code == status
    assert {each["field"] for each in answer.json()["error"]["details"]} == fields
    assert answer.json()["error"]["code"] == "VALIDATION_ERROR"


async def test_a_login_as_large_as_a_book_is_refused(http: httpx.AsyncClient) -> None:
    assert (await http.post("/auth/login", content=b"x" * 20_000)).status_code == 413


class TestTheDevelopmentAdmin:
    async def test_is_let_in_from_this_machine(self, caplog: pytest.LogCaptureFixture) -> None:
        with caplog.at_level(logging.WARNING):
            async with client_of(app_with(admin_password=None, dev_admin=True)) as http:
                assert (await http.post("/auth/login", data=DEVELOPMENT)).status_code == 200
        assert "DEVELOPMENT ADMIN IS ON" in caplog.text

    async def test_is_not_let_in_from_another_machine(self) -> None:
        app = app_with(admin_password=None, dev_admin=True)
        async with client_of(app, client=("192.0.2.1", 1)) as http:
            assert (await http.post("/auth/login", data=DEVELOPMENT)).status_code == 401

    @pytest.mark.parametrize("header", ["X-Forwarded-For", "Forwarded", "X-Real-IP", "Via"])
    async def test_is_not_let_in_through_a_proxy(self, header: str) -> None:
        async with client_of(app_with(admin_password=None, dev_admin=True)) as http:
            answer = await http.post("/auth/login", data=DEVELOPMENT, headers={header: "127.0.0.1"})
            assert answer.status_code == 401

    @pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example:8000", "localhost.evil.example"])
    async def test_is_not_let_in_by_a_page_that_was_led_here(self, host: str) -> None:
        async with client_of(app_with(admin_password=None, dev_admin=True)) as http:
            answer = await http.post("/auth/login", data=DEVELOPMENT, headers={"Host": host})
            assert answer.status_code == 401

    async def test_does_not_exist_once_a_password_is_set(self) -> None:
        async with client_of(app_with()) as http:
            assert (await http.post("/auth/login", data=DEVELOPMENT)).status_code == 401
            assert (await http.post("/auth/login", data=RIGHT)).status_code == 200


async def test_tokens_of_two_replicas_with_the_same_secrets_hold_for_both() -> None:
    async with client_of(app_with()) as one, client_of(app_with()) as other:
        bearer = {"Authorization": f"Bearer {await token_from(one)}"}
        assert (await other.get("/auth/me", headers=bearer)).status_code == 200


async def test_without_secrets_a_token_holds_for_its_process_alone() -> None:
    async with client_of(app_with(jwt_secrets=())) as one, client_of(app_with(jwt_secrets=())) as other:
        bearer = {"Authorization": f"Bearer {await token_from(one)}"}
        assert (await one.get("/auth/me", headers=bearer)).status_code == 200
        assert (await other.get("/auth/me", headers=bearer)).status_code == 401


async def test_a_flood_of_logins_is_refused_before_it_fills_the_memory() -> None:
    checking = Passwords(threads=1, waiting=3)
    results = await asyncio.gather(*(checking.verify(None, "x") for _ in range(10)), return_exceptions=True)
    checking.close()
    assert [result for result in results if result is False] == [False] * 3
    assert sum(isinstance(result, Overloaded) for result in results) == 7
