"""Decisions about users: who they are and what they may do. How they log in is decided in `access`."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, fields, replace
from typing import Any

from msgspec import UNSET, UnsetType

from pipeline.accounts import access, identity
from pipeline.accounts.authority import administered, guarded, machinery, registered, themselves
from pipeline.accounts.identity import same_mailbox
from pipeline.accounts.tokens import Notice, Offer, offers_to
from pipeline.entities.decider import Command, Decider, Mark, Nothing, Others, Rejected, Telling, changing, making
from schemas.accounts.invitations import Invitation
from schemas.accounts.roles import ADMINISTRATORS
from schemas.accounts.topics import USERS as TOPIC
from schemas.accounts.users import Status, User
from schemas.permissions import ROLES


@dataclass(frozen=True, slots=True)
class Register:
    """`invitation` is what the digest of the token may be that was shown; None where none is asked for."""

    username: str
    email: str | None = None
    password: str | None = field(default=None, repr=False)
    roles: list[str] = field(default_factory=list)
    full_name: str | None = None
    company: str | None = None
    status: Status = Status.ACTIVE
    email_verified: bool = False
    local_only: bool = False
    offer: Offer | None = None
    invitation: list[str] | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Describe:
    """What users say of themselves. What is left out stays, whatever it is by now; None takes a thing away."""

    full_name: str | UnsetType | None = UNSET
    company: str | UnsetType | None = UNSET
    bio: str | UnsetType | None = UNSET
    website: str | UnsetType | None = UNSET
    location: str | UnsetType | None = UNSET
    notification_preferences: dict[str, bool] | UnsetType = UNSET


@dataclass(frozen=True, slots=True)
class Administer:
    """What administrators set; None leaves a thing as it is. Of a new address `offer` asks whether it is the user's,
    and `notice` tells the old one."""

    username: str | None = None
    email: str | None = None
    full_name: str | None = None
    roles: list[str] | None = None
    status: Status | None = None
    reason: str | None = None
    offer: Offer | None = None
    notice: Notice | None = None


@dataclass(frozen=True, slots=True)
class Adopt:
    password: str = field(repr=False)


def register(given: Register, command: Command, others: Others) -> Telling[User] | Rejected:
    unwanted = _unknown(given.roles) or _uninvited(given, command, others)
    if unwanted:
        return unwanted
    user = User(
        **command.birth,
        number=command.offset,
        username=given.username,
        email=given.email,
        full_name=given.full_name,
        company=given.company,
        roles=given.roles,
        status=given.status,
        email_verified=given.email_verified,
        local_only=given.local_only,
        password=given.password,
        password_changed_at=None if given.password is None else command.at,
    )
    return _offered(user, given.offer)


def describe(user: User, given: Describe, command: Command, others: Others) -> User | Rejected:
    told: dict[str, Any] = {each.name: getattr(given, each.name) for each in fields(given)}
    return replace(user, **{name: value for name, value in told.items() if value is not UNSET})


def administer(user: User, given: Administer, command: Command, others: Others) -> Telling[User] | Rejected:
    """An address that is new has not been verified, what was mailed to the old one is good for nothing any more, and
    the old one is told. Who is not active any more has no sessions, and nothing that was mailed."""
    unknown = _unknown(given.roles or [])
    if unknown:
        return unknown
    status = given.status or user.status
    email = user.email if given.email is None else given.email
    moved = email != user.email and not same_mailbox(email, user.email)
    if moved and user.email_verified and given.notice and not same_mailbox(given.notice.recipient, user.email):
        return Rejected("version_conflict", "The address has been changed meanwhile")
    after = replace(
        user,
        username=given.username or user.username,
        email=email,
        email_verified=user.email_verified and not moved,
        full_name=user.full_name if given.full_name is None else given.full_name,
        roles=user.roles if given.roles is None else given.roles,
        status=status,
        status_reason=user.status_reason if given.status is None else given.reason,
        sessions=user.sessions if status is Status.ACTIVE else [],
        tokens=user.tokens if status is Status.ACTIVE and not moved else [],
    )
    led = _still_led(user, after, others)
    if led is not None or not moved:
        return led or Telling(after, ())
    told = given.notice.mail(user.id) if given.notice and user.email_verified else ()
    offered = _offered(after, given.offer)
    return Telling(offered.entity, (*told, *offered.emissions))


def adopt(user: User, given: Adopt, command: Command, others: Others) -> User:
    """The development administrator becomes a real one, once: each of several servers that start together wants it, and
    the second must not end the sessions of the first's users."""
    if not user.local_only:
        return user
    after = access.set_password(user, access.SetPassword(given.password), command, others)
    return replace(after, local_only=False)


def delete(user: User, given: Nothing, command: Command, others: Others) -> Rejected | None:
    return _still_led(user, None, others)


def claims(user: User) -> Iterable[Mark]:
    """A name, and a mailbox, is one user's, however it is written."""
    yield "username", identity.username(user.username)
    if user.email is not None:
        yield "email", identity.mailbox(user.email)


def groups(user: User) -> Iterable[Mark]:
    if _leads(user):
        yield "administrator", "active"


def _offered(user: User, offer: Offer | None) -> Telling[User]:
    """With the token, where its letter goes to the user's address."""
    if offer is None or not offers_to(offer, user):
        return Telling(user, ())
    return Telling(replace(user, tokens=[*user.tokens, offer.token]), offer.mail(user.id))


def _leads(user: User | None) -> bool:
    return user is not None and user.status is Status.ACTIVE and bool(ADMINISTRATORS & set(user.roles))


def _still_led(before: User, after: User | None, others: Others) -> Rejected | None:
    if _leads(before) and not _leads(after) and others.count(User, ("administrator", "active")) == 1:
        return Rejected("last_administrator", "This is the last active administrator: make another one first")
    return None


def _uninvited(given: Register, command: Command, others: Others) -> Rejected | None:
    """The invitation has the id of the user whom it makes: it cannot make two, whoever asks at the same time."""
    if given.invitation is None:
        return None
    held = others.get(Invitation, command.entity_id)
    if held is None or held.digest not in given.invitation or held.expires_at <= command.at:
        return Rejected("invitation_invalid", "The invitation is not valid, or has expired, or has been used")
    if held.email is not None and not same_mailbox(held.email, given.email):
        return Rejected("invitation_invalid", "The invitation is for another address")
    return None


def _unknown(roles: Iterable[str]) -> Rejected | None:
    unknown = sorted(set(roles) - ROLES.keys())
    if unknown:
        return Rejected("role_unknown", f"No role is called {unknown[0]!r}; there are {', '.join(ROLES)}")
    return None


USERS = Decider(
    TOPIC,
    {
        "register": guarded(making(Register, register), registered),
        "describe": guarded(changing(Describe, describe), themselves),
        "administer": guarded(changing(Administer, administer), administered),
        "adopt": guarded(changing(Adopt, adopt), machinery),
        "delete": guarded(changing(Nothing, delete), administered),
        **access.RULES,
    },
    claims,
    groups,
)
