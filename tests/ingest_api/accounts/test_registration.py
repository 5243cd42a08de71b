"""Becoming a user, and getting in again without a password."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from ingest_api.settings import Registering
from pipeline.accounts.mail import MailSettings
from pipeline.accounts.tokens import MAX_TOKENS
from tests.ingest_api.accounts.house import PASSWORD, House, house


@pytest.fixture
async def at() -> AsyncIterator[House]:
    async with house() as made:
        yield made


async def test_a_newcomer_is_told_of_in_the_words_of_both_families(at: House) -> None:
    answer = await at.register("ada", full_name="Ada L")
    assert answer.status_code == 201
    told = answer.json()
    assert (isinstance(told["user_id"], int), told["verification_required"]) == (True, True)
    assert (told["username"], told["is_active"], told["roles"]) == ("ada", True, ["user"])


async def test_nobody_logs_in_before_the_address_is_verified(at: House) -> None:
    await at.register("ada")
    refused = await at.login("ada", PASSWORD)
    assert (refused.status_code, refused.json()["error"]) == (403, "email_not_verified")
    page = await at.http.get("/api/auth/verify-email", params={"token": at.mailed()})
    assert "<form" in page.text
    assert (await at.login("ada", PASSWORD)).status_code == 403, "looking at the link is not pressing the button"
    pressed = await at.http.post(
        "/api/auth/verify-email", data={"token": at.mailed()}, headers={"Accept": "text/html,*/*"}
    )
    assert (pressed.status_code, "<h1>The address is verified" in pressed.text) == (200, True)
    assert (await at.login("ADA@example.com", PASSWORD)).status_code == 200


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"username": "Ada"}, "username"),
        ({"username": "other", "email": "ADA@EXAMPLE.COM"}, "email"),
    ],
)
async def test_a_name_or_an_address_is_taken_once_whatever_its_case(
    at: House, changed: dict[str, str], field: str
) -> None:
    await at.register("ada")
    refused = await at.register(**{"username": "ada"} | changed)
    assert refused.status_code == 409
    assert refused.json()["error"] == f"{field}_taken"


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"username": "a"}, "3 to 30"),
        ({"username": "ada\n"}, "3 to 30"),
        ({"email": "nowhere"}, "e-mail address"),
        ({"email": "a@b.c\r\nBcc: x@y.z"}, "e-mail address"),
        ({"password": "short"}, "8 to 128"),
        ({"password": "password1"}, "too easily guessed"),
        ({"password": "ada@example.com"}, "too easily guessed"),
        ({"role": "admin"}, "role"),
    ],
)
async def test_what_cannot_be_used_is_named(at: House, changed: dict[str, str], said: str) -> None:
    refused = await at.register(**changed)
    assert refused.status_code == 400
    assert said in refused.text


async def test_where_no_mail_can_be_sent_nobody_registers() -> None:
    async with house(mail=MailSettings(shown=False)) as at:
        refused = await at.register("ada")
        assert refused.status_code == 503
        assert "THALWEG_SMTP_URL" in refused.text


async def test_where_registration_is_off_nobody_registers_and_is_told_whom_to_ask() -> None:
    async with house(registration=Registering.OFF) as at:
        refused = await at.register("ada")
        assert (refused.status_code, refused.json()["error"]) == (403, "registration_off")
        assert "ask an administrator" in refused.text


async def test_an_invitation_lets_one_person_register_once() -> None:
    async with house(registration=Registering.INVITE) as at:
        assert (await at.register("ada")).json()["error"] == "invitation_required"
        token = await invited(at)
        assert (await at.register("ada", invitation=token)).status_code == 201
        again = await at.register("eve", invitation=token)
        assert (again.status_code, again.json()["error"]) == (403, "invitation_invalid")
        assert (await at.http.get("/api/admin/invitations", headers=await at.bearer())).json()["data"] == []


async def test_of_two_who_register_at_once_with_one_invitation_one_is_let_in() -> None:
    async with house(registration=Registering.INVITE) as at:
        token = await invited(at)
        answers = await asyncio.gather(*(at.register(name, invitation=token) for name in ("ada", "eve")))
        assert sorted(answer.status_code for answer in answers) == [201, 403]


async def test_an_invitation_is_for_its_address_and_its_time() -> None:
    async with house(registration=Registering.INVITE) as at:
        token = await invited(at, email="Ada@example.com", expires_in_hours=1)
        elsewhere = await at.register("eve", invitation=token)
        assert (elsewhere.status_code, elsewhere.json()["error"]) == (403, "invitation_invalid")
        at.clock.ahead += 3601
        assert (await at.register("ada", invitation=token)).status_code == 403
        at.clock.ahead -= 3601
        assert (await at.register("ada", invitation=token)).status_code == 201


async def test_a_name_that_is_taken_does_not_cost_the_invitation() -> None:
    async with house(registration=Registering.INVITE) as at:
        token = await invited(at)
        assert (await at.register("admin", invitation=token)).status_code == 409
        assert (await at.register("ada", invitation=token)).status_code == 201


async def test_a_withdrawn_or_an_invented_invitation_lets_nobody_in() -> None:
    async with house(registration=Registering.INVITE) as at:
        admin, token = await at.bearer(), await invited(at)
        held = token.partition(".")[0]
        assert (await at.register("ada", invitation=f"{held}.{'x' * 43}")).status_code == 403
        withdrawn = await at.http.delete(f"/api/admin/invitations/{held}", headers=admin)
        assert withdrawn.status_code == 200
        assert (await at.register("ada", invitation=token)).status_code == 403


async def invited(at: House, **wanted: object) -> str:
    made = await at.http.post("/api/admin/invitations", json=wanted, headers=await at.bearer())
    assert made.status_code == 201, made.text
    return str(made.json()["invitation"])


async def test_without_verification_a_newcomer_is_in_at_once() -> None:
    async with house(verify_email=False) as at:
        assert (await at.register("ada")).json()["verification_required"] is False
        assert (await at.login("ada", PASSWORD)).status_code == 200


async def test_a_forgotten_password_is_set_by_mail_once_within_the_hour(at: House) -> None:
    headers = await at.user("ada")
    for address in ("ada@example.com", "nobody@example.com"):
        answer = await at.http.post("/api/auth/forgot-password", json={"email": address})
        assert (answer.status_code, answer.json()["success"]) == (200, True)
    token = at.mailed()
    body = {"token": token, "new_password": "another fine password"}
    weak = await at.http.post("/api/auth/reset-password", json=body | {"new_password": "password1"})
    assert weak.status_code == 400
    assert (await at.http.post("/api/auth/reset-password", json=body)).status_code == 200
    assert (await at.http.get("/auth/me", headers=headers)).status_code == 401, "every session has ended"
    assert (await at.http.post("/api/auth/reset-password", json=body)).status_code == 400
    assert (await at.login("ada", "another fine password")).status_code == 200
    assert at.desk.outbox.mails[-1].purpose == "password_changed"


async def test_a_token_for_a_password_ends_after_an_hour(at: House) -> None:
    await at.user("ada")
    await at.http.post("/api/auth/forgot-password", json={"email": "ada@example.com"})
    at.clock.ahead += 3700
    body = {"token": at.mailed(), "new_password": "another fine password"}
    assert (await at.http.post("/api/auth/reset-password", json=body)).status_code == 400


async def test_the_verification_can_be_sent_again_and_tells_nothing_of_who_there_is(at: House) -> None:
    await at.register("ada")
    before = len(at.desk.outbox.mails)
    answers = [
        await at.http.post("/api/auth/resend-verification", json={"email": address})
        for address in ("ada@example.com", "nobody@example.com")
    ]
    assert [answer.text for answer in answers] == [answers[0].text] * 2
    assert len(at.desk.outbox.mails) == before + 1
    assert (await at.http.post("/api/auth/verify-email", json={"token": at.mailed()})).status_code == 200


@pytest.mark.parametrize("token", ["x", "admin.x", ".", "admin." + "x" * 43])
async def test_a_token_that_was_never_mailed_does_nothing(at: House, token: str) -> None:
    assert (await at.http.post("/api/auth/verify-email", json={"token": token})).status_code == 400


async def moved(at: House, email: str) -> None:
    """An administrator gives ada another address."""
    ada = at.desk.door.directory.named("ada")
    assert ada is not None
    place, admin = f"/api/admin/users/{ada.id}", await at.bearer()
    assert (await at.http.put(place, json={"email": email}, headers=admin)).status_code == 200


async def test_a_verification_mailed_to_one_address_verifies_no_other(at: House) -> None:
    await at.register("ada")
    old = at.mailed()
    await moved(at, "ada@elsewhere.example.com")
    assert (await at.http.post("/api/auth/verify-email", json={"token": old})).status_code == 400
    assert (await at.login("ada", PASSWORD)).status_code == 403
    assert (await at.http.post("/api/auth/verify-email", json={"token": at.mailed()})).status_code == 200


async def test_a_mailbox_that_was_lost_sets_no_password_after_the_address_changed(at: House) -> None:
    await at.user("ada")
    await at.http.post("/api/auth/forgot-password", json={"email": "ada@example.com"})
    lost = {"token": at.mailed(), "new_password": "another fine password"}
    await moved(at, "ada@elsewhere.example.com")
    assert [mail.purpose for mail in at.desk.outbox.mails[-2:]] == ["address_changed", "verify_email"]
    assert at.desk.outbox.mails[-2].recipient == "ada@example.com"
    assert (await at.http.post("/api/auth/reset-password", json=lost)).status_code == 400
    await moved(at, "ada@example.com")
    assert (await at.http.post("/api/auth/reset-password", json=lost)).status_code == 400, "not after a way back either"


async def test_a_token_is_hashed_with_the_mailbox_it_went_to(at: House) -> None:
    """Though the worker kept it, it is good for that address alone."""
    await at.register("ada")
    token = at.mailed()
    user = at.desk.door.directory.named("ada")
    assert user is not None
    [kept] = user.tokens
    seals = at.desk.door.seals
    assert kept.digest == seals.digest("verify_email", f"{token}\0ada@example.com")


async def test_mails_to_one_address_are_so_many_an_hour_and_the_answer_tells_nothing(at: House) -> None:
    await at.user("ada")
    before, answers = len(at.desk.outbox.mails), set()
    for number in range(100):
        for address in ("ada@example.com", "nobody@example.com"):
            answer = await at.http.post("/api/auth/forgot-password", json={"email": address})
            answers.add((answer.status_code, answer.text))
        if number == 0:
            mine = {"token": at.mailed(), "new_password": "another fine password"}
    assert len(answers) == 1
    assert len(at.desk.outbox.mails) == before + MAX_TOKENS
    assert at.desk.orders.ordered.count("user.offer_token") == MAX_TOKENS, "nor are workers bothered"
    assert (await at.http.post("/api/auth/reset-password", json=mine)).status_code == 200, "the user's own still holds"
