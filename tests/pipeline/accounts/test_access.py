"""How a user gets in, decision by decision."""

from __future__ import annotations

from typing import Any

import pytest

from pipeline.accounts.access import MAX_SESSIONS
from pipeline.accounts.deciders import DECIDERS
from pipeline.accounts.tokens import HOUR, LIFETIMES, MAX_TOKENS
from pipeline.entities.decide import Decision, decide
from pipeline.entities.decider import Command
from pipeline.entities.ledger import Ledger
from pipeline.outcome import Refuse
from schemas.accounts.topics import MAIL
from schemas.accounts.traces import MailRequested
from schemas.accounts.users import Purpose, Status, User


class Desk:
    """A ledger with one user, and a clock of whole seconds."""

    def __init__(self) -> None:
        self.ledger, self.now = Ledger(DECIDERS), 0
        assert self("register", username="ada", email="ada@x.io", password="h0", roles=["admin"]) is None

    def __call__(self, name: str, **arguments: Any) -> str | None:
        """The rejection, if it is one."""
        return self.order(name, **arguments).answer.rejection

    def order(self, name: str, **arguments: Any) -> Decision:
        self.now += 1
        command = Command("user", "u1", name, arguments, None, "system:test", self.now, self.now)
        decision = decide(DECIDERS, self.ledger, command)
        assert not isinstance(decision, Refuse), decision
        return decision

    @property
    def user(self) -> User:
        user = self.ledger.get(User, "u1")
        assert user is not None
        return user

    def open(self, session: str = "s1", **more: Any) -> str | None:
        given = {"digest": f"r-{session}", "access_id": "a1", "expires_at": 1000} | more
        return self("open_session", id=session, password_changed_at=self.user.password_changed_at, **given)

    def refresh(self, shown: str, digest: str) -> str | None:
        return self("refresh_session", id="s1", shown=[shown], digest=digest, access_id="a2")


@pytest.fixture
def desk() -> Desk:
    return Desk()


def offer(token: dict[str, Any]) -> dict[str, Any]:
    return {"token": token, "recipient": "ada@x.io", "letter": "sealed", "offered_at": 5}


def test_a_refresh_token_is_good_once_and_its_second_use_ends_the_session_for_both(desk: Desk) -> None:
    assert desk.open() is None
    assert desk.refresh("r-s1", "r2") is None
    assert desk.refresh("r2", "r3") is None
    assert desk.refresh("r-s1", "r4") == "token_reused"
    assert desk.user.sessions == []
    assert desk.refresh("r3", "r5") == "session_ended"


def test_a_refresh_token_that_never_was_ends_nothing(desk: Desk) -> None:
    assert desk.open() is None
    assert desk.refresh("made up", "r2") == "token_invalid"
    assert [session.id for session in desk.user.sessions] == ["s1"]


def test_a_session_ends_by_itself(desk: Desk) -> None:
    assert desk.open(expires_at=desk.now + 3) is None
    desk.now += 10
    assert desk.refresh("r-s1", "r2") == "session_ended"


def test_a_new_password_ends_every_session_but_the_one_it_was_set_in(desk: Desk) -> None:
    assert desk.open("s1") is None
    assert desk.open("s2") is None
    assert desk("set_password", password="h1", keep="s2") is None
    assert [session.id for session in desk.user.sessions] == ["s2"]


def test_a_login_that_saw_the_old_password_comes_too_late(desk: Desk) -> None:
    seen = desk.user.password_changed_at
    assert desk("set_password", password="h1") is None
    session = {"id": "s1", "digest": "r", "access_id": "a", "expires_at": 99}
    assert desk("open_session", **session, password_changed_at=seen) == "password_changed"


def test_the_sessions_of_a_user_are_bounded_and_the_oldest_goes(desk: Desk) -> None:
    for number in range(MAX_SESSIONS + 1):
        assert desk.open(f"s{number}") is None
    assert [session.id for session in desk.user.sessions] == [f"s{number}" for number in range(1, MAX_SESSIONS + 1)]


def test_a_code_of_the_second_factor_is_good_once_and_none_before_it_ever_again(desk: Desk) -> None:
    assert desk("offer_factor", sealed="seed", backup_codes=["b1", "b2"]) is None
    assert desk.open() is None, "it is not in force before its first code"
    assert desk("confirm_factor", sealed="seed", step=5) is None
    assert desk.open() == "second_factor_missing"
    assert desk.open(step=5) == "code_spent"
    assert desk.open(step=6) is None
    assert desk.open(step=6) == "code_spent"
    assert desk.open(step=4) == "code_spent"


def test_a_backup_code_is_good_once(desk: Desk) -> None:
    assert desk("offer_factor", sealed="seed", backup_codes=["b1", "b2"]) is None
    assert desk("confirm_factor", sealed="seed", step=5) is None
    assert desk.open(backup=["b1"]) is None
    assert desk.open(backup=["b1"]) == "second_factor_missing"
    assert desk.open(backup=["b2"]) is None


def test_a_second_factor_is_confirmed_with_the_secret_that_was_offered_last(desk: Desk) -> None:
    assert desk("confirm_factor", sealed="seed", step=1) == "second_factor_not_offered"
    assert desk("offer_factor", sealed="one", backup_codes=[]) is None
    assert desk("offer_factor", sealed="two", backup_codes=[]) is None
    assert desk("confirm_factor", sealed="one", step=1) == "second_factor_not_offered"
    assert desk("confirm_factor", sealed="two", step=1) is None
    assert desk("offer_factor", sealed="three", backup_codes=[]) == "second_factor_on"


def test_a_mailed_token_is_good_once_and_for_its_hour(desk: Desk) -> None:
    token = {"purpose": "reset_password", "digest": "t1", "expires_at": desk.now + 10}
    assert desk("offer_token", **offer(token)) is None
    assert desk("verify_email", digests=["t1"]) == "token_invalid", "it is for another purpose"
    assert desk("reset_password", digests=["old", "t1"], password="h1") is None
    assert desk.user.password == "h1"
    assert desk.user.email_verified
    assert desk("reset_password", digests=["t1"], password="h2") == "token_invalid"
    assert desk("offer_token", **offer(token | {"digest": "t2"})) is None
    desk.now += 20
    assert desk("reset_password", digests=["t2"], password="h2") == "token_invalid"


def offered(desk: Desk, digest: str, *, to: str = "ada@x.io", purpose: str = "reset_password") -> str | None:
    life = LIFETIMES[Purpose(purpose)]
    token = {"purpose": purpose, "digest": digest, "expires_at": desk.now + life}
    return desk("offer_token", **offer(token) | {"recipient": to})


@pytest.mark.parametrize("purpose", ["verify_email", "reset_password"])
def test_what_was_mailed_to_an_old_address_is_good_for_nothing(desk: Desk, purpose: str) -> None:
    more = {"password": "h1"} if purpose == "reset_password" else {}
    assert offered(desk, "t1", purpose=purpose) is None
    assert desk("administer", email="ada@y.io") is None
    assert desk(purpose, digests=["t1"], **more) == "token_invalid"
    assert offered(desk, "t2", purpose=purpose) == "address_changed", "it was written before the change"
    assert offered(desk, "t3", to="Ada@Y.io", purpose=purpose) is None
    assert desk(purpose, digests=["t3"], **more) is None
    assert desk.user.email_verified


def test_the_same_mailbox_written_otherwise_is_no_new_address(desk: Desk) -> None:
    assert offered(desk, "t1", purpose="verify_email") is None
    assert desk("verify_email", digests=["t1"]) is None
    assert offered(desk, "t2") is None
    assert desk("administer", email="Ada@X.io") is None
    assert desk.user.email_verified
    assert desk("reset_password", digests=["t2"], password="h1") is None


def test_an_old_address_is_told_and_the_new_one_asked_in_the_decision_itself(desk: Desk) -> None:
    assert offered(desk, "t1", purpose="verify_email") is None
    assert desk("verify_email", digests=["t1"]) is None
    token = {"purpose": "verify_email", "digest": "t2", "expires_at": 9 * HOUR}
    notice = {"letter": "told", "purpose": "address_changed", "noticed_at": 5, "expires_at": 99}
    new = offer(token) | {"recipient": "ada@y.io"}
    late = desk.order("administer", email="ada@y.io", offer=new, notice=notice | {"recipient": "ada@older.io"})
    assert late.answer.rejection == "version_conflict"
    decision = desk.order("administer", email="ada@y.io", offer=new, notice=notice | {"recipient": "ada@x.io"})
    sent = [told.event for told in decision.emissions]
    assert [(mail.recipient, mail.purpose) for mail in sent if isinstance(mail, MailRequested)] == [
        ("ada@x.io", "address_changed"),
        ("ada@y.io", "verify_email"),
    ]
    assert desk("verify_email", digests=["t2"]) is None


def test_a_stranger_who_asks_for_tokens_takes_none_from_the_user(desk: Desk) -> None:
    assert offered(desk, "verify", purpose="verify_email") is None
    assert offered(desk, "mine") is None
    strangers = [offered(desk, f"s{number}") for number in range(20)]
    assert strangers == [None] * (MAX_TOKENS - 1) + ["too_many_mails"] * (20 - MAX_TOKENS + 1)
    assert desk("verify_email", digests=["verify"]) is None
    assert desk("reset_password", digests=["mine"], password="h1") is None
    assert offered(desk, "next") is None, "a password that was set leaves none of them"


def test_a_token_gives_way_to_a_new_one_after_an_hour_at_the_earliest(desk: Desk) -> None:
    for number in range(MAX_TOKENS):
        assert offered(desk, f"t{number}", purpose="verify_email") is None
    desk.now += HOUR - 1000
    assert offered(desk, "early", purpose="verify_email") == "too_many_mails"
    desk.now += 1000
    assert offered(desk, "late", purpose="verify_email") is None
    assert [token.digest for token in desk.user.tokens] == ["t1", "t2", "t3", "late"]


def test_a_factor_that_was_offered_does_not_outlive_the_password(desk: Desk) -> None:
    assert desk("offer_factor", sealed="seed", backup_codes=["b1"]) is None
    assert desk("set_password", password="h1") is None
    assert (desk.user.totp_offered, desk.user.backup_codes) == (None, [])
    assert desk("confirm_factor", sealed="seed", step=5) == "second_factor_not_offered"


def test_who_is_banned_has_no_use_of_what_was_mailed(desk: Desk) -> None:
    other = Command("user", "u2", "register", {"username": "bob", "roles": ["admin"]}, None, "system:test", 1, 1)
    assert not isinstance(decide(DECIDERS, desk.ledger, other), Refuse)
    assert offered(desk, "t1") is None
    assert desk("administer", status="banned") is None
    assert desk("reset_password", digests=["t1"], password="h1") == "token_invalid"


def test_a_letter_goes_out_where_its_token_is_kept_and_only_there(desk: Desk) -> None:
    token = {"purpose": "verify_email", "digest": "t1", "expires_at": 99}
    [told] = desk.order("offer_token", **offer(token)).emissions
    assert (told.topic, told.key) == (MAIL, b"u1")
    assert told.event == MailRequested("u1", "ada@x.io", "verify_email", 5, 99, "sealed")

    def register(user_id: str, username: str) -> Decision:
        address = f"{user_id}@x.io"
        given = {"username": username, "email": address, "offer": offer(token) | {"recipient": address}}
        decision = decide(DECIDERS, desk.ledger, Command("user", user_id, "register", given, None, "system:test", 7, 7))
        assert not isinstance(decision, Refuse), decision
        return decision

    assert [told.event for told in register("u2", "bob").emissions] == [
        MailRequested("u2", "u2@x.io", "verify_email", 5, 99, "sealed")
    ]
    assert register("u3", "Bob").emissions == (), "the name is taken"
    assert register("u2", "eve").emissions == (), "the user exists"


def test_who_is_banned_has_no_sessions_and_opens_none(desk: Desk) -> None:
    assert desk.open() is None
    desk.ledger.put("user", "u2", None)
    other = Command("user", "u2", "register", {"username": "bob", "roles": ["admin"]}, None, "system:test", 1, 1)
    assert not isinstance(decide(DECIDERS, desk.ledger, other), Refuse)
    assert desk("administer", status="banned", reason="spam") is None
    assert (desk.user.status, desk.user.sessions) == (Status.BANNED, [])
    assert desk.open() == "not_active"


def test_a_new_address_is_not_verified(desk: Desk) -> None:
    assert desk("offer_token", **offer({"purpose": "verify_email", "digest": "t1", "expires_at": 99})) is None
    assert desk("verify_email", digests=["t1"]) is None
    assert desk("administer", full_name="Ada") is None
    assert desk.user.email_verified
    assert desk("administer", email="ada@y.io") is None
    assert not desk.user.email_verified


def test_the_last_administrator_cannot_be_deleted_demoted_or_banned(desk: Desk) -> None:
    assert desk("delete") == "last_administrator"
    assert desk("administer", roles=["viewer"]) == "last_administrator"
    assert desk("administer", status="banned") == "last_administrator"


def test_a_role_that_does_not_exist_is_not_given(desk: Desk) -> None:
    assert desk("administer", roles=["emperor"]) == "role_unknown"
