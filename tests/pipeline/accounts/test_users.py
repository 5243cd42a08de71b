"""Decisions about users that no property holds for all of."""

from __future__ import annotations

from pipeline.accounts.deciders import DECIDERS
from pipeline.entities.ledger import Ledger
from schemas.accounts.users import User
from tests.pipeline.entities.orders import commands, decided


def test_the_development_administrator_is_adopted_once_whoever_else_wants_to() -> None:
    session = {"id": "s1", "digest": "d1", "access_id": "a1", "expires_at": 10**9, "password_changed_at": 1}
    orders = [
        ("user", "admin", "register", {"username": "admin", "password": "p0", "local_only": True}, None),
        ("user", "admin", "adopt", {"password": "p1"}, None),
        ("user", "admin", "open_session", session, None),
        ("user", "admin", "adopt", {"password": "p2"}, None),
    ]
    ledger = Ledger(DECIDERS)
    decisions = [decided(ledger, command) for command in commands(orders)]
    admin = ledger.get(User, "admin")
    assert admin is not None
    assert not any(decision.rejected for decision in decisions)
    assert (admin.password, admin.local_only, len(admin.sessions)) == ("p1", False, 1)


def test_a_profile_changed_at_two_servers_at_once_has_both_changes() -> None:
    orders = [
        ("user", "u1", "register", {"username": "ada", "full_name": "Ada"}, None),
        ("user", "u1", "describe", {"bio": "from one"}, None),
        ("user", "u1", "describe", {"company": "from another", "full_name": None}, None),
    ]
    ledger = Ledger(DECIDERS)
    for command in commands(orders):
        decided(ledger, command)
    ada = ledger.get(User, "u1")
    assert ada is not None
    assert (ada.bio, ada.company, ada.full_name, ada.website) == ("from one", "from another", None, None)
