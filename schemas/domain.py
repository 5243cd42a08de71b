"""What a domain declares about its records: topics, permissions, webhook events, schema ids."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from schemas.event import Event
from schemas.topic import Topic


class Scope(StrEnum):
    """A word that stands for several permissions. No scope implies another."""

    READ = "read"
    WRITE = "write"
    ADMIN = "admin"


@dataclass(frozen=True, slots=True)
class Permission:
    """What a route may require. It belongs to `scope`; without one no API key can have it. Roles that hold all of a
    scope have it (`schemas.accounts.roles`), and so have those named in `roles`."""

    name: str
    scope: Scope | None
    roles: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class WebhookEvent:
    """What a webhook may subscribe to, and the permission that its owner needs. `topic` carries the records that
    trigger it, None as long as nothing does."""

    name: str
    permission: str
    topic: Topic | None = None


@dataclass(frozen=True, slots=True)
class Domain:
    """One domain's share of the log.

    `ids` are the schema ids that are its own: `schemas/<name>/avsc/registry.json` takes new ones from it. `answers`
    are records that travel inside others and so have a schema, but no topic.
    """

    name: str
    ids: range
    topics: tuple[Topic, ...] = ()
    answers: tuple[type[Event], ...] = ()
    permissions: tuple[Permission, ...] = ()
    events: tuple[WebhookEvent, ...] = ()


def reads(*names: str) -> tuple[Permission, ...]:
    """Permissions to read."""
    return tuple(Permission(name, Scope.READ) for name in names)


def writes(name: str, *roles: str) -> Permission:
    """The permission to change something; `roles` have it though they may not change everything."""
    return Permission(name, Scope.WRITE, frozenset(roles))
