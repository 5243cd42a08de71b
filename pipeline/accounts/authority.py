"""Who commands, and what that one may do to accounts: nobody grants or administers more than he holds, and what a user
logs in with is changed in a session, never by a key.

The API looks at the same before it writes a command; here it holds whatever wrote it. What the ledger does not know it
cannot judge: the machinery itself (`system:…`), and what a key of the API's settings may do beyond being a key.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar, cast

from pipeline.entities.decider import After, Command, Others, Rejected, Rule, Telling
from schemas.accounts.invitations import Invitation
from schemas.accounts.keys import Key
from schemas.accounts.roles import ADMINISTRATORS, OPEN_ROLES
from schemas.accounts.streams import Stream
from schemas.accounts.users import Status, User
from schemas.accounts.webhooks import Webhook
from schemas.catalogue import EVENTS
from schemas.entity import Entity
from schemas.grants import OPERATOR, Access, Party, Visibility, access
from schemas.permissions import OWN, permitted

E = TypeVar("E", bound=Entity)
ANYONE = "anonymous"
_ID = re.compile(r"[0-9a-f]{24}")
"""Of a key that a user made (`ingest_api.entities.orders.new_id`); a key of the settings has a name instead."""


@dataclass(frozen=True, slots=True)
class Authority:
    """`user` commands, or one of their keys does (`by_key`). `permissions` is None where the ledger does not know
    them. `acts_for` owns what the command makes: the user, or OPERATOR for administrators and keys of the settings."""

    permissions: frozenset[str] | None
    user: str | None = None
    by_key: bool = False
    machinery: bool = False
    acts_for: str | None = None

    def lacks(self, permissions: frozenset[str]) -> list[str]:
        return [] if self.permissions is None else sorted(permissions - self.permissions)

    def is_session_of(self, user_id: str) -> bool:
        return self.machinery or (self.user == user_id and not self.by_key)

    def may(self, wanted: Access, stream: Stream | None) -> bool:
        """By the same check as every read and write (schemas.grants)."""
        if self.permissions is None:
            return True
        party = Party(self.acts_for or "", "admin" in self.permissions)
        return wanted in (access(None, Visibility.OWNER, (), party) if stream is None else stream.access(party))


Guard = Callable[[Authority, E | None, E | None], Rejected | None]
"""Whether the one may change the entity from what it was (None: it was not) to what it would be (None: gone)."""


def guarded(rule: Rule[E], guard: Guard[E]) -> Rule[E]:
    """The rule, for those whom the guard lets."""

    def decide(entity: E | None, command: Command, others: Others) -> After[E] | None:
        authority = authority_of(command, others)
        if isinstance(authority, Rejected):
            return authority
        decided = rule.decide(entity, command, others)
        if isinstance(decided, Rejected) and decided.entity is None:
            return decided
        after = cast("E | None", decided.entity if isinstance(decided, Rejected | Telling) else decided)
        refused = guard(authority, entity, after)
        return decided if refused is None else refused

    return Rule(decide, rule.audited, guarded=True)


def authority_of(command: Command, others: Others) -> Authority | Rejected:
    """Of the command's actor, as of now."""
    kind, _, name = command.actor.partition(":")
    if kind == "system" and name:
        return Authority(None, machinery=True)
    if command.actor == ANYONE:
        return Authority(frozenset())
    if kind == "user":
        user = others.get(User, name)
        return _UNKNOWN if user is None else Authority(_of_user(user), user.id, acts_for=_acting(user))
    if kind == "key":
        key = others.get(Key, name)
        if key is not None:
            owner = _acting(others.get(User, key.owner))
            return Authority(_of_key(key, command.at, others), key.owner, by_key=True, acts_for=owner)
        if name and not _ID.fullmatch(name):
            return Authority(None, by_key=True, acts_for=OPERATOR)
    return _UNKNOWN


def _acting(user: User | None) -> str | None:
    if user is None:
        return None
    return OPERATOR if ADMINISTRATORS & set(user.roles) else user.id


def _of_user(user: User | None) -> frozenset[str]:
    return frozenset() if user is None or user.status is not Status.ACTIVE else permitted(user.roles)


def _of_key(key: Key, now: int, others: Others) -> frozenset[str]:
    if key.expires_at is not None and key.expires_at <= now:
        return frozenset()
    return frozenset(key.permissions) & _of_user(others.get(User, key.owner)) - OWN


def machinery(authority: Authority, before: Entity | None, after: Entity | None) -> Rejected | None:
    """Nobody but the processes themselves."""
    return None if authority.machinery else _FOREIGN


def whoever_shows_it(authority: Authority, before: Entity | None, after: Entity | None) -> Rejected | None:
    """What the command shows, a token or an address, is what permits it."""
    return None


def themselves(authority: Authority, before: User | None, after: User | None) -> Rejected | None:
    """Users, in a session."""
    user = before or after
    if user is None or authority.is_session_of(user.id):
        return None
    return _SESSION if authority.user == user.id else _FOREIGN


def theirs(authority: Authority, before: User | None, after: User | None) -> Rejected | None:
    """Users, in a session or by a key of theirs."""
    user = before or after
    return None if user is None or authority.machinery or authority.user == user.id else _FOREIGN


def administered(authority: Authority, before: User | None, after: User | None) -> Rejected | None:
    """By who may write users, and holds all that the user may do before and after. A key changes nothing that a user
    logs in with, and nothing at all of the user it belongs to."""
    if authority.machinery:
        return None
    if authority.by_key and before is not None and before.id == authority.user:
        return _SESSION
    if authority.by_key and after is not None and _changes_the_way_in(before, after):
        return _SESSION
    return _missing(authority.lacks(frozenset({"users:write"}) | _reach(before) | _reach(after)))


def themselves_or_administered(authority: Authority, before: User | None, after: User | None) -> Rejected | None:
    if before is not None and authority.is_session_of(before.id):
        return None
    return administered(authority, before, after)


def registered(authority: Authority, before: User | None, after: User | None) -> Rejected | None:
    """Anybody may become a user of an open role, whose address is yet to be verified."""
    if authority != Authority(frozenset()) or after is None:
        return administered(authority, before, after)
    beyond = sorted(set(after.roles) - OPEN_ROLES)
    if beyond:
        return Rejected("permission_missing", f"Nobody gives themselves the role {beyond[0]}")
    return _FOREIGN if after.email_verified or after.local_only else None


def invited(authority: Authority, before: Invitation | None, after: Invitation | None) -> Rejected | None:
    """By who may write users, and holds what whoever is invited may make themselves."""
    if after is not None and not authority.machinery and after.owner != authority.user:
        return _FOREIGN
    return _missing(authority.lacks(frozenset({"users:write"}) | permitted(OPEN_ROLES) - OWN))


def key_made(authority: Authority, before: Key | None, after: Key | None) -> Rejected | None:
    """By its owner, in a session, who holds what it may do."""
    if after is None or authority.machinery:
        return None
    if not authority.is_session_of(after.owner):
        return _SESSION if authority.user == after.owner else _FOREIGN
    return _missing(authority.lacks(frozenset(after.permissions)))


def key_ended(authority: Authority, before: Key | None, after: Key | None) -> Rejected | None:
    """By its owner, in a session, or by who may write users."""
    if before is None or authority.is_session_of(before.owner):
        return None
    if authority.user == before.owner:
        return _SESSION
    return _missing(authority.lacks(frozenset({"users:write"})))


def webhook_kept(authority: Authority, before: Webhook | None, after: Webhook | None) -> Rejected | None:
    """By its owner, who may be told of all that it is told of, before and after."""
    for webhook in (before, after):
        if webhook is None or authority.machinery:
            continue
        if authority.user != webhook.owner:
            return _FOREIGN
        refused = _missing(authority.lacks(frozenset(EVENTS[event] for event in webhook.events if event in EVENTS)))
        if refused is not None:
            return refused
    return None


def webhook_ended(authority: Authority, before: Webhook | None, after: Webhook | None) -> Rejected | None:
    """By its owner, or by who may write users."""
    if before is None or authority.machinery or authority.user == before.owner:
        return None
    return _missing(authority.lacks(frozenset({"users:write"})))


def stream_claimed(authority: Authority, before: Stream | None, after: Stream | None) -> Rejected | None:
    """By who may write, for themselves: nobody fills another's share, nor makes streams of the installation."""
    if after is None or authority.machinery:
        return None
    return _FOREIGN if after.owner != authority.acts_for else _missing(authority.lacks(_WRITING))


def stream_shared(authority: Authority, before: Stream | None, after: Stream | None) -> Rejected | None:
    """Administrators, and the owner in a session: a key that leaks gives no stream away."""
    if authority.permissions is not None and "admin" not in authority.permissions and authority.by_key:
        return _SESSION if authority.may(Access.MANAGE, before) else _NOT_THEIR_STREAM
    return stream_retired(authority, before, after)


def stream_retired(authority: Authority, before: Stream | None, after: Stream | None) -> Rejected | None:
    """Administrators, and the owner."""
    if not authority.may(Access.MANAGE, before):
        return _NOT_THEIR_STREAM
    return _missing(authority.lacks(_WRITING))


def _reach(user: User | None) -> frozenset[str]:
    """What administering a user leads to. Everybody has their own account: that is no power over others."""
    return frozenset() if user is None else permitted(user.roles) - OWN


def _changes_the_way_in(before: User | None, after: User) -> bool:
    """Of a new user the address is none yet: whoever gets mail there still has to be let in."""
    if before is None:
        return after.password is not None
    return any(getattr(before, name) != getattr(after, name) for name in _WAYS_IN)


_WAYS_IN = ("password", "email", "totp", "totp_offered", "backup_codes")
"""The address too: a mail to it sets a password."""


_WRITING = frozenset({"clustering:write"})


def _missing(permissions: list[str]) -> Rejected | None:
    if not permissions:
        return None
    detail = f"Nobody gives or administers more than he holds: {permissions[0]} is missing"
    return Rejected("permission_missing", detail)


_UNKNOWN = Rejected("actor_unknown", "Whoever wants this is no user and no key any more")
_FOREIGN = Rejected("permission_missing", "This is another's")
_NOT_THEIR_STREAM = Rejected("permission_missing", "The stream's owner and administrators alone may do this")
_SESSION = Rejected(
    "session_required", "Log in for this: no API key changes its own owner, or what anybody logs in with"
)
