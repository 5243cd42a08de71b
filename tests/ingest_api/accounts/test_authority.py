"""Keys at the API: what they cannot do though their scopes seem to say so."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.doubles.door import ADMIN_PASSWORD, key_for
from tests.ingest_api.accounts.house import PASSWORD, House, house

SETTINGS_KEY, KEPT = key_for("read", "write", "admin", name="operator")


@pytest.fixture
async def at() -> AsyncIterator[House]:
    async with house(api_keys=(KEPT,)) as made:
        yield made


async def key_of(at: House, headers: dict[str, Any], *scopes: str) -> dict[str, str]:
    made = await at.http.post("/auth/api-keys", json={"name": "k", "scopes": list(scopes)}, headers=headers)
    assert made.status_code == 201, made.text
    return {"X-API-Key": made.json()["api_key"]}


async def id_of(at: House, name: str) -> str:
    user = at.desk.door.directory.named(name)
    assert user is not None
    return user.id


async def test_users_write_alone_makes_no_tenant_admin(at: House) -> None:
    await at.user("ada")
    key = await key_of(at, await at.bearer(), "users:write")
    place = f"/api/admin/users/{await id_of(at, 'ada')}"
    bodies: list[dict[str, Any]] = [{"roles": ["tenant_admin"]}, {"roles": []}, {"is_active": False}]
    for body in bodies:
        refused = await at.http.put(place, json=body, headers=key)
        assert (refused.status_code, "permission" in refused.text) == (403, True), body
    assert (await at.http.delete(place, headers=key)).status_code == 403
    ada = at.desk.door.directory.named("ada")
    assert ada is not None
    assert ada.roles == ["user"]


async def test_a_key_that_may_do_everything_bans_a_user_and_still_makes_no_password(at: House) -> None:
    await at.user("ada")
    made = {"username": "bob", "password": PASSWORD, "roles": ["viewer"]}
    for key in (await key_of(at, await at.bearer(), "read", "write", "admin"), {"X-API-Key": SETTINGS_KEY}):
        place = f"/api/admin/users/{await id_of(at, 'ada')}"
        for body in ({"password": "another fine password"}, {"email": "eve@example.com"}):
            refused = await at.http.put(place, json=body, headers=key)
            assert (refused.status_code, "Log in for this" in refused.text) == (403, True), refused.text
        assert (await at.http.post("/api/admin/users", json=made, headers=key)).status_code == 403
        assert (await at.http.delete(f"{place}/2fa", headers=key)).status_code == 403
        assert (await at.http.put(place, json={"status": "banned"}, headers=key)).status_code == 200
        assert (await at.http.put(place, json={"status": "active"}, headers=key)).status_code == 200
    assert (await at.login("ada", PASSWORD)).status_code == 200


async def test_limits_count_a_user_and_not_each_key_of_the_user() -> None:
    async with house(rate_limits=0.01, api_keys=(KEPT,)) as at:  # six a minute instead of 600
        headers = await at.user("ada")
        keys = [await key_of(at, headers, "read") for _ in range(3)]
        statuses = [(await at.http.get("/auth/me", headers=each)).status_code for each in (headers, *keys) * 2]
        assert statuses == [200] * 6 + [429] * 2
        assert (await at.http.get("/auth/me", headers={"X-API-Key": SETTINGS_KEY})).status_code == 200


async def test_an_admin_key_changes_nothing_of_its_owner(at: House) -> None:
    key = await key_of(at, await at.bearer(), "read", "write", "admin")
    asked: list[tuple[str, str, dict[str, Any]]] = [
        ("PUT", "/api/admin/users/admin", {"password": "another fine password"}),
        ("PUT", "/api/admin/users/admin", {"full_name": "Mine"}),
        ("DELETE", "/api/admin/users/admin", {}),
        ("DELETE", "/api/admin/users/admin/2fa", {}),
        ("DELETE", "/api/admin/users/admin/sessions", {}),
        ("PUT", "/api/users/password", {"current_password": ADMIN_PASSWORD, "new_password": "another fine password"}),
        ("POST", "/api/auth/2fa/setup", {}),
        ("POST", "/api/users/api-keys", {"name": "more"}),
    ]
    for method, path, body in asked:
        refused = await at.http.request(method, path, json=body, headers=key)
        assert refused.status_code == 403, (method, path)
    assert (await at.login()).status_code == 200


async def test_a_webhook_made_by_a_key_tells_no_more_than_the_key_may_read(at: House) -> None:
    headers = await at.user("ada")
    key = await key_of(at, headers, "webhooks:write", "webhooks:read")
    body = {"url": "https://example.com/hook", "events": ["drift.detected"]}
    refused = await at.http.post("/api/webhooks", json=body, headers=key)
    assert (refused.status_code, "clustering:read" in refused.text) == (403, True)
    made = (await at.http.post("/api/webhooks", json=body, headers=headers)).json()
    moved = await at.http.put(f"/api/webhooks/{made['id']}", json={"url": "https://eve.example/"}, headers=key)
    assert moved.status_code == 403
    able = await key_of(at, headers, "webhooks:write", "clustering:read")
    assert (await at.http.post("/api/webhooks", json=body, headers=able)).status_code == 201
