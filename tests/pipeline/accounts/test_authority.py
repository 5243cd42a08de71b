"""Who may command what: nobody grants more than he holds, whoever wrote the command."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from pipeline.accounts.deciders import DECIDERS
from pipeline.accounts.streams import STREAMS
from pipeline.entities.decide import Decision, by_kind, decide
from pipeline.entities.decider import Command, Nothing, changing
from pipeline.entities.ledger import Ledger
from pipeline.outcome import Refuse
from schemas.accounts.users import User
from schemas.permissions import OWN, ROLES

EVENT = {"owner": "boss", "url": "https://x.io", "events": ["drift.detected"], "secret": "sealed"}


class Desk:
    """An administrator `boss` with three keys, another one, two users, a viewer, and `mallory`, who is banned."""

    def __init__(self) -> None:
        self.ledger, self.now = Ledger(DECIDERS), 0
        people = (("boss", "admin"), ("other", "admin"), ("ada", "user"), ("mallory", "admin"), ("bot", None))
        others = (("olga", "user"), ("viewer", "viewer"))
        for name, role in (*people, *others):
            given = {"username": name, "email": f"{name}@x.io", "roles": [] if role is None else [role]}
            assert self("system:test", "user", name, "register", **given) is None
        assert self("system:test", "user", "mallory", "administer", status="banned") is None
        every = sorted(ROLES["admin"] - OWN)
        for key, permissions in (("a" * 24, ["users:write"]), ("b" * 24, every), ("c" * 24, ["webhooks:write"])):
            made = {"owner": "boss", "name": key, "prefix": "ncs_", "digest": key, "permissions": permissions}
            assert self("user:boss", "key", key, "make", **made) is None

    def __call__(self, actor: str, kind: str, entity_id: str, name: str, /, **arguments: Any) -> str | None:
        """The rejection, if it is one."""
        return self.order(actor, kind, entity_id, name, **arguments).answer.rejection

    def order(self, actor: str, kind: str, entity_id: str, name: str, /, **arguments: Any) -> Decision:
        self.now += 1
        decision = decide(
            DECIDERS, self.ledger, Command(kind, entity_id, name, arguments, None, actor, self.now, self.now)
        )
        assert not isinstance(decision, Refuse), decision
        return decision

    def user(self, name: str) -> User:
        user = self.ledger.get(User, name)
        assert user is not None
        return user


COMMANDS = [(kind, name) for kind, decider in DECIDERS.items() for name in decider.rules]
USERS_WRITE, EVERYTHING, HOOKS = "key:" + "a" * 24, "key:" + "b" * 24, "key:" + "c" * 24


@pytest.fixture
def desk() -> Desk:
    return Desk()


@pytest.mark.parametrize("roles", [["tenant_admin"], ["admin"], ["user"]])
def test_a_key_that_may_write_users_gives_no_role_that_can_do_more(desk: Desk, roles: list[str]) -> None:
    assert desk(USERS_WRITE, "user", "new", "register", username="new", roles=roles) == "permission_missing"
    assert desk(USERS_WRITE, "user", "bot", "administer", roles=roles) == "permission_missing"
    assert desk(USERS_WRITE, "user", "bot", "administer", full_name="A Bot") is None
    assert desk(USERS_WRITE, "user", "new", "register", username="new") is None


@pytest.mark.parametrize(
    ("name", "arguments"),
    [("administer", {"status": "banned"}), ("administer", {"roles": []}), ("delete", {}), ("close_sessions", {})],
)
def test_who_can_do_less_than_a_user_does_not_administer_that_user(
    desk: Desk, name: str, arguments: dict[str, Any]
) -> None:
    assert desk(USERS_WRITE, "user", "ada", name, **arguments) == "permission_missing"
    assert desk("user:ada", "user", "boss", name, **arguments) == "permission_missing"
    assert desk("user:boss", "user", "ada", name, **arguments) is None


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("set_password", {"password": "h1"}),
        ("remove_factor", {}),
        ("administer", {"email": "eve@x.io"}),
        ("offer_factor", {"sealed": "seed", "backup_codes": ["b"]}),
    ],
)
def test_no_key_changes_what_anybody_logs_in_with(desk: Desk, name: str, arguments: dict[str, Any]) -> None:
    assert desk("user:ada", "user", "ada", "offer_factor", sealed="s", backup_codes=["b1"]) is None
    before = desk.user("ada")
    for actor in (EVERYTHING, "key:sensor"):
        assert desk(actor, "user", "ada", name, **arguments) in ("session_required", "permission_missing")
    assert desk.user("ada") is before


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("set_password", {"password": "h1"}),
        ("administer", {"full_name": "Mine"}),
        ("close_sessions", {}),
        ("describe", {"bio": "mine"}),
        ("delete", {}),
    ],
)
def test_no_key_changes_its_own_owner(desk: Desk, name: str, arguments: dict[str, Any]) -> None:
    assert desk(EVERYTHING, "user", "boss", name, **arguments) == "session_required"


def test_a_key_makes_and_ends_no_keys_of_its_owner(desk: Desk) -> None:
    made = {"owner": "boss", "name": "k", "prefix": "ncs_", "digest": "d", "permissions": ["clustering:read"]}
    assert desk(EVERYTHING, "key", "k9", "make", **made) == "session_required"
    assert desk(EVERYTHING, "key", "a" * 24, "delete") == "session_required"
    assert desk("user:ada", "key", "k9", "make", **made) == "permission_missing", "nobody makes keys for others"


def test_a_key_is_told_by_a_webhook_what_it_may_see_itself(desk: Desk) -> None:
    assert desk(HOOKS, "webhook", "w1", "make", **EVENT) == "permission_missing"
    assert desk("user:boss", "webhook", "w1", "make", **EVENT) is None
    assert desk(HOOKS, "webhook", "w1", "change", url="https://eve.io") == "permission_missing"
    assert desk(EVERYTHING, "webhook", "w1", "change", url="https://y.io") is None
    assert desk("user:ada", "webhook", "w1", "change", url="https://eve.io") == "permission_missing"


def test_who_is_gone_or_banned_commands_nothing(desk: Desk) -> None:
    assert desk("user:nobody", "user", "ada", "delete") == "actor_unknown"
    assert desk("key:" + "f" * 24, "user", "ada", "delete") == "actor_unknown"
    assert desk("somebody", "user", "ada", "delete") == "actor_unknown"
    assert desk("user:mallory", "user", "ada", "delete") == "permission_missing"


def test_whoever_registers_gives_themselves_an_open_role_and_no_verified_address(desk: Desk) -> None:
    given = {"username": "eve", "email": "eve@x.io"}
    assert desk("anonymous", "user", "e1", "register", **given, roles=["admin"]) == "permission_missing"
    assert desk("anonymous", "user", "e1", "register", **given, email_verified=True) == "permission_missing"
    assert desk("anonymous", "user", "e1", "register", **given, roles=["user"]) is None
    assert desk("anonymous", "user", "ada", "administer", roles=["admin"]) == "permission_missing"
    assert desk("user:boss", "user", "admin", "adopt", password="h1") == "not_found"
    assert desk("user:boss", "user", "ada", "adopt", password="h1") == "permission_missing"


def test_who_invites_holds_what_the_invited_may_make_themselves(desk: Desk) -> None:
    made = {"digest": "d", "expires_at": 10**9, "owner": "boss"}
    assert desk(USERS_WRITE, "invitation", "i1", "make", **made) == "permission_missing"
    assert desk("user:ada", "invitation", "i1", "make", **made) == "permission_missing"
    assert desk(EVERYTHING, "invitation", "i1", "make", **made) is None
    assert desk("anonymous", "invitation", "i1", "delete") == "permission_missing"


@pytest.mark.parametrize(("kind", "name"), [pytest.param(kind, name, id=f"{kind}.{name}") for kind, name in COMMANDS])
def test_every_command_looks_at_who_commands_before_anything_else(desk: Desk, kind: str, name: str) -> None:
    assert desk("user:nobody", kind, "any", name) == "actor_unknown"
    assert desk("", kind, "any", name) == "actor_unknown"


def test_a_command_that_does_not_say_who_may_give_it_is_not_served() -> None:
    rules = {**STREAMS.rules, "rename": changing(Nothing, lambda stream, *_: stream)}
    with pytest.raises(ValueError, match=r"stream\.rename does not say who may command it"):
        by_kind(replace(STREAMS, rules=rules))


def test_a_stream_is_claimed_by_who_may_write_and_for_themselves(desk: Desk) -> None:
    for_ada = {"owner": "ada", "name": "pumps", "most": 9}
    for actor in ("user:mallory", "user:bot", "user:viewer", "user:other", "key:sensor", HOOKS):
        assert desk(actor, "stream", "pumps", "claim", **for_ada) == "permission_missing", actor
    assert desk("user:ada", "stream", "pumps", "claim", **for_ada) is None
    reading = {"owner": "viewer", "name": "mine", "most": 9}
    assert desk("user:viewer", "stream", "mine", "claim", **reading) == "permission_missing", "viewers write nothing"


def test_the_installations_streams_are_claimed_by_administrators_and_keys_of_the_settings(desk: Desk) -> None:
    given = {"owner": "operator", "name": "line"}
    assert desk("user:ada", "stream", "line", "claim", **given) == "permission_missing"
    assert desk(HOOKS, "stream", "line", "claim", **given) == "permission_missing", "it may not write"
    for actor, key in (("user:boss", "a"), (EVERYTHING, "b"), ("key:sensor", "c")):
        assert desk(actor, "stream", key, "claim", owner="operator", name=key) is None


def test_a_user_claims_no_streams_without_number(desk: Desk) -> None:
    event = Command("stream", "s", "claim", {"owner": "ada", "name": "s"}, None, "user:ada", 99, 99)
    refused = decide(DECIDERS, desk.ledger, event)
    assert isinstance(refused, Refuse)
    assert "most" in refused.detail


@pytest.mark.parametrize("name", ["share", "retire"])
def test_a_stream_is_managed_by_its_owner_and_by_administrators(desk: Desk, name: str) -> None:
    assert desk("user:ada", "stream", "pumps", "claim", owner="ada", name="pumps", most=9) is None
    for actor in ("user:mallory", "user:bot", "user:viewer", "user:olga", HOOKS):
        assert desk(actor, "stream", "pumps", name) == "permission_missing", actor
    for actor in ("user:ada", "user:other", EVERYTHING):
        assert desk(actor, "stream", "pumps", name) is None, actor


def test_a_key_ends_its_owners_stream_and_gives_none_away(desk: Desk) -> None:
    made = {"owner": "ada", "name": "k", "prefix": "ncs_", "digest": "d", "permissions": ["clustering:write"]}
    assert desk("user:ada", "key", "d" * 24, "make", **made) is None
    by_key = "key:" + "d" * 24
    assert desk(by_key, "stream", "pumps", "claim", owner="ada", name="pumps", most=9) is None
    assert desk(by_key, "stream", "pumps", "share", visibility="public-read") == "session_required"
    assert desk(by_key, "stream", "pumps", "retire") is None


def test_what_the_installation_owns_is_managed_by_administrators_alone(desk: Desk) -> None:
    assert desk("user:boss", "stream", "line", "claim", owner="operator", name="line") is None
    for name in ("share", "retire"):
        assert desk(HOOKS, "stream", "line", name) == "permission_missing", "an administrator's key without admin"
        assert desk("user:ada", "stream", "line", name) == "permission_missing"
        assert desk("user:other", "stream", "line", name) is None


def test_a_refusal_is_audited_as_one(desk: Desk) -> None:
    decision = desk.order(USERS_WRITE, "user", "new", "register", username="new", roles=["tenant_admin"])
    assert (decision.rejected, decision.audited, decision.changed) == (True, True, ())
