"""Users at the door: themselves, and as administrators see them."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pyotp
import pytest
from argon2 import PasswordHasher

from ingest_api.entities.orders import SYSTEM
from schemas.accounts.users import User
from tests.ingest_api.accounts.house import PASSWORD, House, house


@pytest.fixture
async def at() -> AsyncIterator[House]:
    async with house() as made:
        yield made


async def test_a_profile_is_read_and_changed_piece_by_piece(at: House) -> None:
    headers = await at.user("ada")
    changed = await at.http.put("/api/users/profile", json={"bio": "counts", "company": "Engines"}, headers=headers)
    assert changed.status_code == 200
    changed = await at.http.put("/api/users/profile", json={"bio": None}, headers=headers)
    profile = (await at.http.get("/api/users/profile", headers=headers)).json()
    assert (profile["user"]["bio"], profile["user"]["company"]) == (None, "Engines")
    assert profile["statistics"]["total_tasks"] is None


async def test_a_profile_that_was_changed_meanwhile_is_not_overwritten(at: House) -> None:
    headers = await at.user("ada")
    seen = (await at.http.get("/api/users/profile", headers=headers)).headers["ETag"]
    assert (await at.http.put("/api/users/profile", json={"bio": "a"}, headers=headers)).status_code == 200
    late = await at.http.put("/api/users/profile", json={"bio": "b"}, headers=headers | {"If-Match": seen})
    assert late.status_code == 409
    fresh = (await at.http.get("/api/users/profile", headers=headers)).headers["ETag"]
    right = await at.http.put("/api/users/profile", json={"bio": "b"}, headers=headers | {"If-Match": fresh})
    assert right.status_code == 200
    odd = await at.http.put("/api/users/profile", json={"bio": "b"}, headers=headers | {"If-Match": "W/x"})
    assert odd.status_code == 400


async def test_a_password_is_changed_by_who_knows_it_and_other_sessions_end(at: House) -> None:
    headers = await at.user("ada")
    other = await at.bearer("ada", PASSWORD)
    body = {"current_password": "wrong", "new_password": "another fine password"}
    assert (await at.http.put("/api/users/password", json=body, headers=headers)).status_code == 400
    body["current_password"] = PASSWORD
    assert (await at.http.put("/api/users/password", json=body, headers=headers)).status_code == 200
    assert (await at.http.get("/auth/me", headers=headers)).status_code == 200
    assert (await at.http.get("/auth/me", headers=other)).status_code == 401


async def test_sessions_are_listed_and_ended_one_by_one(at: House) -> None:
    headers = await at.user("ada")
    other = await at.bearer("ada", PASSWORD)
    listed = (await at.http.get("/api/users/sessions", headers=headers)).json()["data"]
    assert sorted(session["current"] for session in listed) == [False, True]
    [foreign] = [session["id"] for session in listed if not session["current"]]
    assert (await at.http.delete(f"/api/users/sessions/{foreign}", headers=headers)).status_code == 200
    assert (await at.http.get("/auth/me", headers=other)).status_code == 401


async def test_a_second_factor_is_set_up_demanded_and_turned_off(at: House) -> None:
    at.clock.stop()
    headers = await at.user("ada")
    setup = (await at.http.post("/api/auth/2fa/setup", headers=headers)).json()
    assert setup["qr_code"].startswith("data:image/png;base64,")
    assert len(setup["backup_codes"]) == 10
    assert (await at.login("ada", PASSWORD)).status_code == 200, "it is not in force yet"
    totp = pyotp.TOTP(setup["secret"])

    def code() -> str:
        return totp.at(at.clock() // 1_000_000)

    wrong = await at.http.post("/api/auth/2fa/verify", json={"totp_code": "000000"}, headers=headers)
    assert wrong.status_code in (400, 200)
    assert (await at.http.post("/api/auth/2fa/verify", json={"totp_code": code()}, headers=headers)).status_code == 200
    asked = await at.login("ada", PASSWORD)
    assert (asked.status_code, asked.json()["requires_2fa"]) == (401, True)
    assert (await at.login("ada", PASSWORD, totp_code=code())).status_code == 401, "it was used to turn it on"
    at.clock.ahead += 31
    assert (await at.login("ada", PASSWORD, totp_code=code())).status_code == 200
    assert (await at.login("ada", PASSWORD, totp_code=code())).status_code == 401, "a code is good once"
    backup = setup["backup_codes"][0]
    assert (await at.login("ada", PASSWORD, totp_code=backup)).status_code == 200
    assert (await at.login("ada", PASSWORD, totp_code=backup)).status_code == 401
    again = await at.http.post("/api/auth/2fa/setup", headers=headers)
    assert again.status_code == 409
    at.clock.ahead += 31
    off = {"password": PASSWORD, "totp_code": code()}
    assert (await at.http.post("/api/auth/2fa/disable", json=off, headers=headers)).status_code == 200
    assert (await at.login("ada", PASSWORD)).status_code == 200


async def test_an_administrator_takes_a_lost_factor_off(at: House) -> None:
    at.clock.stop()
    headers, admin = await at.user("ada"), await at.bearer()
    setup = (await at.http.post("/api/auth/2fa/setup", headers=headers)).json()
    code = pyotp.TOTP(setup["secret"]).at(at.clock() // 1_000_000)
    assert (await at.http.post("/api/auth/2fa/verify", json={"totp_code": code}, headers=headers)).status_code == 200
    assert (await at.login("ada", PASSWORD)).status_code == 401
    ada = at.desk.door.directory.named("ada")
    assert ada is not None
    assert (await at.http.delete(f"/api/admin/users/{ada.id}/2fa", headers=headers)).status_code == 403
    assert (await at.http.delete(f"/api/admin/users/{ada.id}/2fa", headers=admin)).status_code == 200
    assert at.desk.outbox.mails[-1].purpose == "second_factor_changed"
    assert (await at.http.get("/auth/me", headers=headers)).status_code == 401, "sessions end"
    assert (await at.login("ada", PASSWORD)).status_code == 200


async def test_an_administrator_logs_a_user_out_everywhere(at: House) -> None:
    headers, admin = await at.user("ada"), await at.bearer()
    ada = at.desk.door.directory.named("ada")
    assert ada is not None
    assert (await at.http.delete(f"/api/admin/users/{ada.id}/sessions", headers=admin)).status_code == 200
    assert (await at.http.get("/auth/me", headers=headers)).status_code == 401
    assert (await at.http.delete("/api/admin/users/nobody/sessions", headers=admin)).status_code == 404


async def test_wrong_codes_are_counted_as_wrong_passwords_are(at: House) -> None:
    at.clock.stop()
    headers = await at.user("ada")
    setup = (await at.http.post("/api/auth/2fa/setup", headers=headers)).json()
    code = pyotp.TOTP(setup["secret"]).at(at.clock() // 1_000_000)
    assert (await at.http.post("/api/auth/2fa/verify", json={"totp_code": code}, headers=headers)).status_code == 200
    statuses = [(await at.login("ada", PASSWORD, totp_code="00000a")).status_code for _ in range(6)]
    assert statuses == [401] * 5 + [429]


async def test_a_key_does_what_it_may_and_shows_itself_once(at: House) -> None:
    headers = await at.user("ada")
    body = {"name": "sensor", "permissions": ["clustering:write"], "expires_in_days": 1}
    made = (await at.http.post("/api/users/api-keys", json=body, headers=headers)).json()
    key = {"X-API-Key": made["api_key"]}
    assert (await at.http.get("/auth/me", headers=key)).json()["permissions"] == ["clustering:write"]
    listed = (await at.http.get("/api/users/api-keys", headers=headers)).json()["data"]
    assert [shown["prefix"] for shown in listed] == [made["api_key"][:12]]
    assert made["api_key"] not in str(listed)
    refused = await at.http.post("/api/users/api-keys", json=body, headers=key)
    assert (refused.status_code, refused.json()["error"]) == (403, "forbidden")
    at.clock.ahead += 86_500
    assert (await at.http.get("/auth/me", headers=key)).status_code == 401


async def test_a_key_ends_with_its_deletion_and_shrinks_with_its_owner(at: House) -> None:
    headers, admin = await at.user("ada"), await at.bearer()
    body = {"name": "sensor", "scopes": ["read", "write"]}
    made = (await at.http.post("/auth/api-keys", json=body, headers=headers)).json()
    key = {"X-API-Key": made["key"]}
    uuid = (await at.http.get("/api/users/profile", headers=headers)).json()["user"]["uuid"]
    assert "clustering:write" in (await at.http.get("/auth/me", headers=key)).json()["permissions"]
    await at.http.put(f"/api/admin/users/{uuid}", json={"roles": ["viewer"]}, headers=admin)
    assert "clustering:write" not in (await at.http.get("/auth/me", headers=key)).json()["permissions"]
    key_id = made["key_info"]["id"]
    assert (await at.http.delete(f"/auth/api-keys/{key_id}", headers=admin)).status_code == 404, "it is another's"
    assert (await at.http.delete(f"/auth/api-keys/{key_id}", headers=headers)).status_code == 200
    assert (await at.http.get("/auth/me", headers=key)).status_code == 401


@pytest.mark.parametrize("word", ["users:write", "admin", "account:manage"])
async def test_nobody_gives_a_key_what_they_do_not_have(at: House, word: str) -> None:
    headers = await at.user("ada")
    body = {"name": "greedy", "permissions": [word]}
    assert (await at.http.post("/api/users/api-keys", json=body, headers=headers)).status_code == 403


async def test_administrators_list_filter_sort_and_page(at: House) -> None:
    admin = await at.bearer()
    for name in ("carl", "bert", "anna"):
        await at.register(name, role="node_operator" if name == "bert" else "user")
    listed = (await at.http.get("/api/users", params={"sort": "username", "limit": 2}, headers=admin)).json()
    assert [user["username"] for user in listed["data"]] == ["admin", "anna"]
    assert listed["pagination"] == {"page": 1, "limit": 2, "total": 4, "pages": 2}
    rest = (await at.http.get("/api/users?sort=-username&limit=3&page=2", headers=admin)).json()
    assert [user["username"] for user in rest["data"]] == ["admin"]
    operators = (await at.http.get("/api/users", params={"role": "node_operator"}, headers=admin)).json()
    assert [user["username"] for user in operators["data"]] == ["bert"]
    found = (await at.http.get("/api/admin/users", params={"search": "ANN", "is_active": True}, headers=admin)).json()
    assert ([user["username"] for user in found["users"]], found["total"]) == (["anna"], 1)
    assert (await at.http.get("/api/users", params={"sort": "shoe_size"}, headers=admin)).status_code == 400


async def test_an_administrator_makes_changes_and_deletes_users(at: House) -> None:
    admin = await at.bearer()
    body = {"username": "bob", "email": "bob@example.com", "password": PASSWORD, "roles": ["analyst"]}
    made = await at.http.post("/api/admin/users", json=body, headers=admin)
    assert made.status_code == 201
    place = f"/api/admin/users/{made.json()['id']}"
    bob = await at.bearer("bob", PASSWORD)
    seen = made.headers["ETag"]
    stale = await at.http.put(place, json={"full_name": "Bob"}, headers=admin | {"If-Match": seen})
    assert stale.status_code == 409, "bob has logged in since"
    assert (await at.http.put(place, json={"full_name": "Bob", "is_active": False}, headers=admin)).status_code == 200
    assert (await at.http.get("/auth/me", headers=bob)).status_code == 401
    assert (await at.http.get(place, headers=admin)).json()["is_active"] is False
    assert (await at.http.delete(place, headers=admin)).status_code == 200
    assert (await at.http.get(place, headers=admin)).status_code == 404
    assert (await at.http.post("/api/admin/users", json=body, headers=admin)).status_code == 201, "the name is free"


async def test_a_new_address_is_verified_anew(at: House) -> None:
    await at.user("ada")
    ada = at.desk.door.directory.named("ada")
    assert ada is not None
    body = {"email": "ada@elsewhere.example.com"}
    changed = await at.http.put(f"/api/admin/users/{ada.id}", json=body, headers=await at.bearer())
    assert changed.json()["email_verified"] is False
    assert (await at.login("ada", PASSWORD)).status_code == 403
    assert at.desk.outbox.mails[-1].recipient == "ada@elsewhere.example.com"
    assert (await at.http.post("/api/auth/verify-email", json={"token": at.mailed()})).status_code == 200
    assert (await at.login("ada", PASSWORD)).status_code == 200


async def test_a_user_sees_no_others(at: House) -> None:
    headers = await at.user("ada")
    refused = await at.http.get("/api/users", headers=headers)
    assert (refused.status_code, "users:read" in refused.text) == (403, True)


async def test_the_last_administrator_stays(at: House) -> None:
    admin = await at.bearer()
    assert (await at.http.delete("/api/admin/users/admin", headers=admin)).status_code == 409
    assert (await at.http.put("/api/admin/users/admin", json={"roles": ["viewer"]}, headers=admin)).status_code == 409


async def test_no_answer_holds_a_secret(at: House) -> None:
    headers, admin = await at.user("ada"), await at.bearer()
    await at.http.post("/api/auth/2fa/setup", headers=headers)
    texts = [
        (await at.http.get(path, headers=admin)).text
        for path in ("/api/users", "/api/admin/users", "/api/users/profile", "/api/users/sessions", "/auth/me")
    ]
    user = next(user for user in at.desk.door.directory.users.entries.values() if user.username == "ada")
    secrets = [user.password, user.totp_offered, *user.backup_codes, *(s.digest for s in user.sessions)]
    assert not [secret for secret in secrets if secret and any(secret in text for text in texts)]


@pytest.mark.parametrize("typed", ["spaced", "full", "dashed"])
async def test_codes_are_accepted_as_people_type_them(at: House, typed: str) -> None:
    at.clock.stop()
    headers = await at.user("ada")
    setup = (await at.http.post("/api/auth/2fa/setup", headers=headers)).json()

    def code() -> str:
        made = pyotp.TOTP(setup["secret"]).at(at.clock() // 1_000_000)
        wide = "".join(chr(0xFF10 + int(digit)) for digit in made)
        return {"full": wide, "dashed": f"{made[:3]}-{made[3:]}"}.get(typed, f" {made[:3]} {made[3:]} ")

    shown = await at.http.post("/api/auth/2fa/verify", json={"totp_code": code()}, headers=headers)
    assert shown.status_code == 200, shown.text
    at.clock.ahead += 31
    assert (await at.login("ada", PASSWORD, totp_code=code())).status_code == 200
    plain = setup["backup_codes"][0].replace("-", "")
    assert (await at.login("ada", PASSWORD, totp_code=plain.upper())).status_code == 200
    assert (await at.login("ada", PASSWORD, totp_code=setup["backup_codes"][0])).status_code == 401, "it was the same"
    off = {"password": PASSWORD, "totp_code": setup["backup_codes"][1].replace("-", " ")}
    assert (await at.http.post("/api/auth/2fa/disable", json=off, headers=headers)).status_code == 200


async def test_a_password_is_the_same_from_any_keyboard_also_if_it_is_an_old_one(at: House) -> None:
    composed, apart = "caf\u00e9 otters dive deep", "cafe\u0301 otters\u00a0dive deep"
    assert (await at.register("ada", password=apart)).status_code == 201
    await at.http.post("/api/auth/verify-email", json={"token": at.mailed()})
    for password in (composed, apart):
        assert (await at.login("ada", password)).status_code == 200
    old = {"username": "old", "password": PasswordHasher(1, 8, 1).hash(apart)}
    await at.desk.door.orders.order(SYSTEM, User, "old", "register", old)
    assert (await at.login("old", apart)).status_code == 200, "hashed as it was typed, before passwords had one form"
    assert (await at.login("old", "cafe otters dive deep")).status_code == 401


async def test_one_mailbox_and_one_name_are_one_user_however_they_are_written(at: House) -> None:
    assert (await at.register("ada", email="ada@m\u00fcnchen.de")).status_code == 201
    for changed in (
        {"username": "\uff21da", "email": "b@example.com"},
        {"username": "bob", "email": "ADA@xn--mnchen-3ya.de"},
        {"username": "bob", "email": "ada@mu\u0308nchen.de"},
    ):
        assert (await at.register(**changed)).status_code == 409, changed
    await at.http.post("/api/auth/verify-email", json={"token": at.mailed()})
    for name in ("\uff41\uff44\uff41", "Ada@M\u00dcNCHEN.de", " ada@xn--mnchen-3ya.de"):
        assert (await at.login(name, PASSWORD)).status_code == 200, name
    for name in ("\u0430da", "ad\u200ba", "ada\u2028"):
        assert (await at.register(name, email="c@example.com")).status_code == 400, "it looks like ada"
