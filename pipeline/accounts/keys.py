"""Decisions about API keys."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from pipeline.accounts.authority import guarded, key_ended, key_made, machinery
from pipeline.entities.decider import Command, Decider, Mark, Nothing, Others, Rejected, changing, making
from schemas.accounts.keys import Key
from schemas.accounts.topics import KEYS as TOPIC
from schemas.accounts.users import Status, User
from schemas.permissions import OWN, PERMISSIONS, permitted

MAX_KEYS = 50
"""Of one user."""


@dataclass(frozen=True, slots=True)
class Make:
    owner: str
    name: str
    prefix: str
    digest: str = field(repr=False)
    permissions: list[str]
    expires_at: int | None = None


@dataclass(frozen=True, slots=True)
class Used:
    at: int


def make(given: Make, command: Command, others: Others) -> Key | Rejected:
    """Nobody can give away what they do not have, nor the power over their own account."""
    owner = others.get(User, given.owner)
    if owner is None or owner.status is not Status.ACTIVE:
        return Rejected("owner_unknown", "There is no active user of this id")
    beyond = sorted(set(given.permissions) - ((permitted(owner.roles) & PERMISSIONS) - OWN))
    if beyond:
        return Rejected(
            "permission_missing", f"A key cannot have {', '.join(beyond)}: its owner must, and may pass it on"
        )
    if others.count(Key, ("owner", given.owner)) >= MAX_KEYS:
        return Rejected("too_many_keys", f"A user has at most {MAX_KEYS} keys: delete one first")
    return Key(
        **command.birth,
        owner=given.owner,
        name=given.name,
        prefix=given.prefix,
        digest=given.digest,
        permissions=sorted(given.permissions),
        expires_at=given.expires_at,
    )


def used(key: Key, given: Used, command: Command, others: Others) -> Key:
    return key if key.last_used_at is not None and key.last_used_at >= given.at else replace(key, last_used_at=given.at)


def delete(key: Key, given: Nothing, command: Command, others: Others) -> None:
    return None


def claims(key: Key) -> Iterable[Mark]:
    yield "digest", key.digest


def groups(key: Key) -> Iterable[Mark]:
    yield "owner", key.owner


KEYS = Decider(
    TOPIC,
    {
        "make": guarded(making(Make, make), key_made),
        "used": guarded(changing(Used, used, audited=False), machinery),
        "delete": guarded(changing(Nothing, delete), key_ended),
    },
    claims,
    groups,
)
