"""In, on and out."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator

import pyotp
import pytest

from ingest_api.accounts.logins import REMEMBERED_SECONDS
from ingest_api.problems import Unauthenticated
from pipeline.errors import LogUnavailable
from tests.doubles.door import ADMIN_PASSWORD
from tests.ingest_api.accounts.house import PASSWORD, House, house


@pytest.fixture
async def at() -> AsyncIterator[House]:
    async with house() as made:
        yield made


@pytest.mark.parametrize("kind", ["data", "json"])
async def test_the_streaming_apis_login_takes_a_form_or_json(at: House, kind: str) -> None:
    given = {"username": "admin", "password": ADMIN_PASSWORD}
    answer = await at.http.post("/auth/login", **{kind: given})  # type: ignore[arg-type]
    assert answer.status_code == 200
    told = answer.json()
    assert (told["token_type"], told["expires_in"], told["scope"]) == ("bearer", 1800, "read write admin")
    me = await at.http.get("/auth/me", headers={"Authorization": f"Bearer {told['access_token']}"})
    assert (me.json()["username"], me.json()["disabled"]) == ("admin", False)


async def test_a_login_is_answered_in_the_shape_of_whoever_asks(at: House) -> None:
    body = {"password": ADMIN_PASSWORD}
    anomaly = (await at.http.post("/api/auth/login", json=body | {"username": "admin"})).json()
    network = (await at.http.post("/api/auth/login", json=body | {"identifier": "admin"})).json()
    assert {"access_token", "token_type", "expires_in"} <= anomaly.keys()
    assert "user" not in anomaly
    assert {"message", "access_token", "refresh_token", "expires_in", "user"} <= network.keys()
    assert isinstance(network["user"]["id"], int)


async def test_a_wrong_login_is_told_in_the_shape_of_whoever_asks(at: House) -> None:
    body = {"password": "wrong"}
    anomaly = await at.http.post("/api/auth/login", json=body | {"username": "admin"})
    network = await at.http.post("/api/auth/login", json=body | {"email": "nobody@example.com"})
    assert (anomaly.status_code, anomaly.json()["error"]["code"]) == (401, "AUTHENTICATION_ERROR")
    assert (network.status_code, network.json()["error"]) == (401, "invalid_credentials")


async def test_a_wrong_password_and_an_unknown_name_look_the_same(at: House) -> None:
    one = await at.http.post("/auth/login", data={"username": "admin", "password": "wrong"})
    other = await at.http.post("/auth/login", data={"username": "nobody", "password": "wrong"})
    drop = {"request_id", "timestamp"}
    assert one.status_code == other.status_code == 401
    assert {k: v for k, v in one.json().items() if k not in drop} == {
        k: v for k, v in other.json().items() if k not in drop
    }


async def test_five_failures_lock_that_address_out_and_nobody_else(at: House) -> None:
    for _ in range(5):
        assert (await at.login(password="wrong")).status_code == 401
    locked = await at.login()
    assert locked.status_code == 429
    assert int(locked.headers["Retry-After"]) > 800
    async with at.elsewhere() as elsewhere:
        body = {"identifier": "admin", "password": ADMIN_PASSWORD}
        assert (await elsewhere.post("/api/auth/login", json=body)).status_code == 200
    at.clock.ahead += 16 * 60
    assert (await at.login()).status_code == 200


async def test_a_success_forgets_the_failures_before_it(at: House) -> None:
    for _ in range(3):
        for _ in range(4):
            assert (await at.login(password="wrong")).status_code == 401
        assert (await at.login()).status_code == 200


async def test_of_fifty_guesses_at_once_five_are_looked_at(at: House) -> None:
    answers = await asyncio.gather(*(at.login(password="wrong") for _ in range(50)))
    assert Counter(answer.status_code for answer in answers) == {401: 5, 429: 45}


async def test_who_knows_the_password_may_log_in_many_times_at_once(at: House) -> None:
    answers = await asyncio.gather(*(at.login() for _ in range(12)))
    assert {answer.status_code for answer in answers} == {200}


async def test_what_could_not_be_looked_at_counts_as_no_failure(at: House) -> None:
    await at.bearer()
    at.desk.orders.outage = LogUnavailable("the log does not answer")
    assert [(await at.login()).status_code for _ in range(7)] == [503] * 7
    at.desk.orders.outage = None
    assert (await at.login()).status_code == 200


async def test_codes_of_a_second_factor_are_guessed_ten_times_an_hour_and_the_user_is_told(at: House) -> None:
    headers = await at.user("ada")
    at.clock.stop()
    secret = (await at.http.post("/api/auth/2fa/setup", headers=headers)).json()["secret"]
    code = {"totp_code": pyotp.TOTP(secret).at(at.clock() // 1_000_000)}
    assert (await at.http.post("/api/auth/2fa/verify", json=code, headers=headers)).status_code == 200
    at.clock.ahead += 60
    wrong = {"identifier": "ada", "password": PASSWORD, "totp_code": "aaaa-aaaa-aaaa"}
    answers = []
    for host in range(12):
        async with at.elsewhere(f"198.51.100.{host}") as elsewhere:
            answers.append((await elsewhere.post("/api/auth/login", json=wrong)).status_code)
    assert answers == [401] * 10 + [429] * 2
    told = [mail for mail in at.desk.outbox.mails if mail.purpose == "second_factor_guessed"]
    assert len(told) == 1
    assert "198.51.100.2" in at.desk.letters()[-1].text
    right = wrong | {"totp_code": pyotp.TOTP(secret).at(at.clock() // 1_000_000)}
    assert (await at.http.post("/api/auth/login", json=right)).status_code == 429
    at.clock.ahead += 3600
    right = wrong | {"totp_code": pyotp.TOTP(secret).at(at.clock() // 1_000_000)}
    assert (await at.http.post("/api/auth/login", json=right)).status_code == 200


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "http://127.0.0.1.evil.example", "null", "http://127.0.0.1:1"]
)
async def test_a_page_of_another_origin_logs_nobody_in(at: House, origin: str) -> None:
    answer = await at.http.post(
        "/auth/login", data={"username": "admin", "password": ADMIN_PASSWORD}, headers={"Origin": origin}
    )
    assert answer.status_code == 200
    assert "set-cookie" not in answer.headers


@pytest.mark.parametrize(("site", "same"), [("same-site", "strict"), ("cross-site", "none")])
async def test_a_listed_origin_gets_a_cookie_that_its_site_sends_back(site: str, same: str) -> None:
    origin = "https://console.example"
    async with house(base_url="https://127.0.0.1", cors_origins=(origin,)) as at:
        headers = {"Origin": origin, "Sec-Fetch-Site": site}
        body = {"identifier": "admin", "password": ADMIN_PASSWORD}
        cookie = (await at.http.post("/api/auth/login", json=body, headers=headers)).headers["set-cookie"]
    assert cookie.startswith("__Host-session=")
    assert f"SameSite={same}" in cookie
    assert ("Partitioned" in cookie) is (same == "none")
    assert "Secure" in cookie


async def test_a_refresh_makes_new_tokens_and_the_old_access_token_ends(at: House) -> None:
    first = (await at.login()).json()
    again = await at.http.post("/api/auth/refresh", json={"refresh_token": first["refresh_token"]})
    assert again.status_code == 200
    assert await _me(at, first["access_token"]) == 401
    assert await _me(at, again.json()["access_token"]) == 200


async def test_a_refresh_token_that_comes_back_ends_the_session_and_tells_its_user(at: House) -> None:
    await at.user("ada")
    first = (await at.login("ada", PASSWORD)).json()
    second = (await at.http.post("/auth/refresh", json={"refresh_token": first["refresh_token"]})).json()
    assert (await at.http.post("/auth/refresh", json={"refresh_token": first["refresh_token"]})).status_code == 401
    assert await _me(at, second["access_token"]) == 401
    assert (await at.http.post("/auth/refresh", json={"refresh_token": second["refresh_token"]})).status_code == 401
    assert at.desk.outbox.mails[-1].purpose == "refresh_reused"


@pytest.mark.parametrize("token", ["", "x", "admin.x", "admin.s.x", "..", "a.b.c.d", "ä.b.c", "admin.\0.x"])
async def test_what_is_no_refresh_token_refreshes_nothing(at: House, token: str) -> None:
    answer = await at.http.post("/auth/refresh", json={"refresh_token": token})
    assert answer.status_code in (401, 422)


async def test_who_logs_out_is_out_with_every_token_of_the_session(at: House) -> None:
    first, other = (await at.login()).json(), (await at.login()).json()
    headers = {"Authorization": f"Bearer {first['access_token']}"}
    assert (await at.http.post("/api/auth/logout", headers=headers)).status_code == 200
    assert await _me(at, first["access_token"]) == 401
    assert (await at.http.post("/auth/refresh", json={"refresh_token": first["refresh_token"]})).status_code == 401
    assert await _me(at, other["access_token"]) == 200


async def test_who_logs_out_everywhere_has_no_session_left(at: House) -> None:
    first, other = (await at.login()).json(), (await at.login()).json()
    headers = {"Authorization": f"Bearer {first['access_token']}"}
    assert (await at.http.post("/auth/logout?everywhere=true", headers=headers)).status_code == 200
    assert [await _me(at, tokens["access_token"]) for tokens in (first, other)] == [401, 401]


async def test_a_browser_gets_a_cookie_with_which_it_can_read_but_not_write_unseen(at: House) -> None:
    origin = {"Origin": "http://127.0.0.1"}
    answer = await at.http.post(
        "/api/auth/login", json={"identifier": "admin", "password": ADMIN_PASSWORD}, headers=origin
    )
    cookie = answer.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=lax" in cookie
    assert (await at.http.get("/auth/me")).status_code == 200
    refused = await at.http.post("/api/auth/logout", headers=origin)
    assert (refused.status_code, refused.json()["error"]["code"]) == (403, "AUTHORIZATION_ERROR")
    csrf = (await at.http.get("/auth/csrf-token")).json()["csrf_token"]
    wrong = csrf[:-1] + ("1" if csrf.endswith("0") else "0")
    assert (await at.http.post("/api/auth/logout", headers=origin | {"X-CSRF-Token": wrong})).status_code == 403
    await at.http.post("/api/auth/logout", headers=origin | {"X-CSRF-Token": csrf})
    assert (await at.http.get("/auth/me")).status_code == 401


async def test_over_tls_the_cookie_is_this_hosts_alone() -> None:
    async with house(base_url="https://127.0.0.1") as at:
        body = {"identifier": "admin", "password": ADMIN_PASSWORD, "remember_me": True}
        answer = await at.http.post("/api/auth/login", json=body, headers={"Origin": "https://127.0.0.1"})
        cookie = answer.headers["set-cookie"]
        assert cookie.startswith("__Host-session=")
        assert "Secure" in cookie
        assert f"Max-Age={REMEMBERED_SECONDS}" in cookie


async def test_a_program_gets_no_cookie(at: House) -> None:
    assert "set-cookie" not in (await at.login()).headers


async def test_an_access_token_is_no_cookie_and_a_cookie_no_access_token(at: House) -> None:
    answer = await at.http.post(
        "/api/auth/login",
        json={"identifier": "admin", "password": ADMIN_PASSWORD},
        headers={"Origin": "http://127.0.0.1"},
    )
    cookie = answer.cookies["session"]
    at.http.cookies.clear()
    assert await _me(at, cookie) == 401
    swapped = await at.http.get("/auth/me", headers={"Cookie": f"session={answer.json()['access_token']}"})
    assert swapped.status_code == 401


async def test_the_cookie_for_tls_opens_nothing_without_it_nor_the_plain_one_over_it() -> None:
    body = {"identifier": "admin", "password": ADMIN_PASSWORD}
    for scheme, wrong in (("http", "__Host-session"), ("https", "session")):
        async with house(base_url=f"{scheme}://127.0.0.1") as at:
            answer = await at.http.post("/api/auth/login", json=body, headers={"Origin": f"{scheme}://127.0.0.1"})
            (cookie,) = answer.cookies.values()
            at.http.cookies.clear()
            refused = await at.http.get("/auth/me", headers={"Cookie": f"{wrong}={cookie}"})
            assert refused.status_code == 401


async def test_a_ticket_is_good_once_and_for_half_a_minute(at: House) -> None:
    headers = await at.bearer()
    accounts = at.desk.door.directory
    ticket = (await at.http.post("/auth/ticket", headers=headers)).json()["ticket"]
    assert (await accounts.principal_for_ticket(ticket)).id == "user:admin"
    with pytest.raises(Exception, match="used"):
        await accounts.principal_for_ticket(ticket)
    late = (await at.http.post("/auth/ticket", headers=headers)).json()["ticket"]
    at.clock.ahead += 45
    with pytest.raises(Exception, match="expired"):
        await accounts.principal_for_ticket(late)


async def test_a_used_ticket_resumes_what_it_opened_for_who_was_told_the_proof_there(at: House) -> None:
    headers = await at.bearer()
    accounts = at.desk.door.directory
    first, other = [(await at.http.post("/auth/ticket", headers=headers)).json()["ticket"] for _ in range(2)]
    await accounts.principal_for_ticket(first)
    at.clock.ahead += 3600
    proof = accounts.resume_proof(first)
    for _ in range(2):
        assert (await accounts.principal_for_resumed(first, proof)).id == "user:admin"
    for ticket, shown in ((first, ""), (first, accounts.resume_proof(other)), (other, proof), (first, proof[:-1])):
        with pytest.raises(Unauthenticated):
            await accounts.principal_for_resumed(ticket, shown)
    assert (await at.http.post("/auth/logout?everywhere=true", headers=headers)).status_code == 200
    with pytest.raises(Unauthenticated):
        await accounts.principal_for_resumed(first, proof)


async def test_a_banned_user_is_out_at_once_and_learns_why_with_the_right_password_alone(at: House) -> None:
    headers, admin = await at.user("ada"), await at.bearer()
    number = (await at.http.get("/api/users/profile", headers=headers)).json()["user"]["id"]
    body = {"status": "banned", "reason": "spam"}
    assert (await at.http.patch(f"/api/users/{number}", json=body, headers=admin)).status_code == 200
    assert (await at.http.get("/auth/me", headers=headers)).status_code == 401
    refused = await at.login("ada", PASSWORD)
    assert (refused.status_code, refused.json()["error"]) == (403, "account_inactive")
    assert (await at.login("ada", "wrong")).json()["error"] == "invalid_credentials"


async def test_a_role_that_is_taken_away_is_gone_from_tokens_that_are_out(at: House) -> None:
    headers, admin = await at.user("ada"), await at.bearer()
    me = (await at.http.get("/auth/me", headers=headers)).json()
    assert "clustering:write" in me["permissions"]
    uuid = me["id"].partition(":")[2]
    changed = await at.http.put(f"/api/admin/users/{uuid}", json={"roles": ["viewer"]}, headers=admin)
    assert changed.status_code == 200
    assert "clustering:write" not in (await at.http.get("/auth/me", headers=headers)).json()["permissions"]


async def test_when_the_workers_are_away_a_login_is_told_so(at: House) -> None:
    await at.bearer()
    at.desk.orders.outage = LogUnavailable("the log does not answer")
    answer = await at.login()
    assert answer.status_code == 503
    assert "Retry-After" in answer.headers


async def _me(at: House, token: str) -> int:
    return (await at.http.get("/auth/me", headers={"Authorization": f"Bearer {token}"})).status_code
