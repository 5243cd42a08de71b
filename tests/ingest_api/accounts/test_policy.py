"""What passwords may be, and how they are kept."""

from __future__ import annotations

import time

import pyotp
import pytest
from zxcvbn.frequency_lists import FREQUENCY_LISTS

from ingest_api.accounts.passwords import Passwords
from ingest_api.accounts.policy import CONTEXT, MAX_PASSWORD, MIN_PASSWORD, check_password
from tests.ingest_api.accounts.house import House, house

COMMON = [word for word in FREQUENCY_LISTS["passwords"] if len(word) >= MIN_PASSWORD][:3000]


def test_none_of_the_three_thousand_most_common_passwords_that_are_long_enough_is_taken() -> None:
    """ASVS 5.0.0, 6.2.4."""
    assert len(COMMON) == 3000
    assert [word for word in COMMON if not check_password(word, [])] == []


@pytest.mark.parametrize(
    "password", ["nine purple otters dive", "тигр ест зелёные яблоки", "x7$kQ!w9Zp2", "🐎🔋📎 staple 🐎🔋📎"]
)
def test_a_password_may_be_of_any_letters_if_it_is_hard_to_guess(password: str) -> None:
    assert check_password(password, []) == []


def test_the_users_own_name_is_no_password() -> None:
    assert check_password("ada.lovelace", ["ada.lovelace", "ada@example.com"])


@pytest.mark.parametrize("password", ["Thalweg2026!", "thalwegadmin1", "ClickHouseKafka", "pynomaly!2026", *CONTEXT])
def test_words_of_the_context_with_little_added_are_no_password(password: str) -> None:
    assert check_password(password, [])


@pytest.mark.parametrize(("length", "taken"), [(7, False), (64, True), (MAX_PASSWORD, True), (MAX_PASSWORD + 1, False)])
def test_a_password_has_eight_to_128_characters(length: int, taken: bool) -> None:
    password = ("k7#Qw9zP!xR2vM5j" * 9)[:length]
    assert (check_password(password, []) == []) is taken


@pytest.mark.parametrize(
    "password",
    [("4@8({[<3691!|70$5+%2" * 7)[:MAX_PASSWORD], "()" * 64, "12" * 64, ("147+|l!" * 19)[:MAX_PASSWORD], "a" * 128],
)
def test_no_password_takes_long_to_estimate(password: str) -> None:
    """The first took zxcvbn 5 s of processor: each sign may stand for a letter, and it tries all combinations."""
    before = time.thread_time()
    check_password(password, ["a" * 256, password])
    assert time.thread_time() - before < 0.4


def test_signs_that_look_like_letters_are_seen_through_however_many_there_are() -> None:
    assert check_password("p@$$w0rd", [])
    assert check_password("p@ssw0rd{[(<|!1$5", ["p@ssw0rd{[(<|!1$5"])
    assert check_password("4k@9{Q<3x6!|7vz0$5+%2", []) == []


async def test_a_token_that_is_none_is_refused_before_its_password_is_looked_at() -> None:
    async with house() as at:
        await at.user("ada")
        at.desk.door.passwords = Passwords(waiting=0)
        ordered = len(at.desk.orders.ordered)
        user = at.desk.door.directory.named("ada")
        assert user is not None
        for token in ("junk", "admin.junk", f"{user.id}.junk", "." * 512):
            body = {"token": token, "new_password": "4@8({[<3691!|70$5+%2"}
            assert (await at.http.post("/api/auth/reset-password", json=body)).status_code == 400
            assert (await at.http.post("/api/auth/verify-email", json=body)).status_code == 400
        assert len(at.desk.orders.ordered) == ordered


async def test_more_estimates_than_may_wait_are_refused_and_said_to_be() -> None:
    async with house() as at:
        at.desk.door.passwords = Passwords(waiting=0)
        answer = await at.register("ada")
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")


async def test_a_password_is_compared_whole_and_as_it_was_typed() -> None:
    passwords = Passwords()
    long = "k7#Qw9zP!xR2vM5j" * 8
    kept = await passwords.hash(long)
    assert kept.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert kept != await passwords.hash(long), "each has a salt of its own"
    assert await passwords.verify(kept, long)
    for other in (long[:-1], long + " ", long.lower(), f" {long}"):
        assert not await passwords.verify(kept, other)
    passwords.close()


async def test_the_page_for_a_new_password_hides_it_and_lets_a_password_manager_fill_it_in() -> None:
    async with house() as at:
        page = (await at.http.get("/api/auth/reset-password", params={"token": '"><script>'})).text
    assert 'type="password"' in page
    assert 'autocomplete="new-password"' in page
    assert "<script>" not in page


async def test_a_password_that_was_reset_does_not_spare_the_second_factor() -> None:
    async with house() as at:
        await _with_a_second_factor(at)
        await at.http.post("/api/auth/forgot-password", json={"email": "ada@example.com"})
        body = {"token": at.mailed(), "new_password": "another fine password"}
        assert (await at.http.post("/api/auth/reset-password", json=body)).status_code == 200
        asked = await at.login("ada", "another fine password")
    assert (asked.status_code, asked.json()["requires_2fa"]) == (401, True)


async def _with_a_second_factor(at: House) -> None:
    headers = await at.user("ada")
    secret = (await at.http.post("/api/auth/2fa/setup", headers=headers)).json()["secret"]
    code = {"totp_code": pyotp.TOTP(secret).at(at.clock() // 1_000_000)}
    assert (await at.http.post("/api/auth/2fa/verify", json=code, headers=headers)).status_code == 200
