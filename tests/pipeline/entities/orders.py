"""Commands to the deciders there are, drawn from few names so that they get in each other's way."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from pipeline.accounts.deciders import DECIDERS
from pipeline.entities.decide import Decision, decide
from pipeline.entities.decider import Command
from pipeline.entities.ledger import Ledger
from pipeline.outcome import Refuse

IDS = ("u1", "u2", "u3")
NAMES = st.sampled_from(["ada", "Ada", "bob", "eve"])
MAILS = st.sampled_from(["a@x.io", "A@X.io", "b@x.io"])
ROLES = st.lists(st.sampled_from(["admin", "viewer", "user"]), max_size=2)
SESSIONS = st.sampled_from(["s1", "s2", "s3"])
DIGESTS = st.sampled_from(["d1", "d2", "d3", "d4"])
TIMES = st.integers(0, 60)


def _order(entity: str, ids: st.SearchStrategy[str], name: str, /, **arguments: st.SearchStrategy[Any]) -> Any:
    versions = st.none() | st.integers(1, 4)
    return st.tuples(st.just(entity), ids, st.just(name), st.fixed_dictionaries(arguments), versions)


_USERS = st.sampled_from(IDS)
ORDERS = st.one_of(
    _order("user", _USERS, "register", username=NAMES, email=st.none() | MAILS, roles=ROLES, password=DIGESTS),
    _order(
        *("user", _USERS, "administer"),
        username=st.none() | NAMES,
        email=st.none() | MAILS,
        roles=st.none() | ROLES,
        status=st.none() | st.sampled_from(["active", "banned"]),
    ),
    _order("user", _USERS, "delete"),
    _order("user", _USERS, "set_password", password=DIGESTS, keep=st.none() | SESSIONS),
    _order(
        *("user", _USERS, "open_session"),
        id=SESSIONS,
        digest=DIGESTS,
        access_id=DIGESTS,
        expires_at=TIMES,
        password_changed_at=TIMES,
    ),
    _order(
        "user",
        _USERS,
        "refresh_session",
        id=SESSIONS,
        shown=st.lists(DIGESTS, max_size=1),
        digest=DIGESTS,
        access_id=DIGESTS,
    ),
    _order("user", _USERS, "close_session", id=SESSIONS),
    _order("user", _USERS, "spend_ticket", id=DIGESTS, expires_at=TIMES),
    _order("user", _USERS, "offer_factor", sealed=DIGESTS, backup_codes=st.lists(DIGESTS, max_size=2)),
    _order("user", _USERS, "confirm_factor", sealed=DIGESTS, step=TIMES),
    _order(
        *("key", st.sampled_from(["k1", "k2"]), "make"),
        owner=_USERS,
        name=NAMES,
        prefix=st.just("ncs_"),
        digest=DIGESTS,
        permissions=st.lists(st.sampled_from(["clustering:read", "users:write", "account:manage"]), max_size=2),
    ),
    _order("key", st.sampled_from(["k1", "k2"]), "delete"),
)


def commands(orders: list[Any]) -> list[Command]:
    """The orders as the log has them: one a microsecond."""
    return [
        Command(entity, entity_id, name, arguments, version, "system:test", at, at)
        for at, (entity, entity_id, name, arguments, version) in enumerate(orders)
    ]


def decided(ledger: Ledger, command: Command) -> Decision:
    decision = decide(DECIDERS, ledger, command)
    assert not isinstance(decision, Refuse), decision
    ledger.applied = command.offset
    return decision
