"""Decisions about webhooks."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from pipeline.accounts.authority import guarded, machinery, webhook_ended, webhook_kept
from pipeline.entities.decider import Command, Decider, Mark, Nothing, Others, Rejected, changing, making
from schemas.accounts.topics import WEBHOOKS as TOPIC
from schemas.accounts.users import Status, User
from schemas.accounts.webhooks import Webhook
from schemas.catalogue import EVENTS

MAX_WEBHOOKS = 20
"""Of one user."""


@dataclass(frozen=True, slots=True)
class Make:
    owner: str
    url: str
    events: list[str]
    secret: str = field(repr=False)
    description: str | None = None


@dataclass(frozen=True, slots=True)
class Change:
    """None leaves a thing as it is."""

    url: str | None = None
    events: list[str] | None = None
    secret: str | None = field(default=None, repr=False)
    description: str | None = None
    enabled: bool | None = None


@dataclass(frozen=True, slots=True)
class Disable:
    reason: str


def make(given: Make, command: Command, others: Others) -> Webhook | Rejected:
    owner = others.get(User, given.owner)
    if owner is None or owner.status is not Status.ACTIVE:
        return Rejected("owner_unknown", "There is no active user of this id")
    if others.count(Webhook, ("owner", given.owner)) >= MAX_WEBHOOKS:
        return Rejected("too_many_webhooks", f"A user has at most {MAX_WEBHOOKS} webhooks: delete one first")
    return _unknown(given.events) or Webhook(
        **command.birth,
        owner=given.owner,
        url=given.url,
        events=given.events,
        secret=given.secret,
        description=given.description,
    )


def change(webhook: Webhook, given: Change, command: Command, others: Others) -> Webhook | Rejected:
    enabled = webhook.enabled if given.enabled is None else given.enabled
    return _unknown(given.events or []) or replace(
        webhook,
        url=given.url or webhook.url,
        events=webhook.events if given.events is None else given.events,
        secret=given.secret or webhook.secret,
        description=webhook.description if given.description is None else given.description,
        enabled=enabled,
        disabled_reason=None if enabled or given.enabled is False else webhook.disabled_reason,
    )


def disable(webhook: Webhook, given: Disable, command: Command, others: Others) -> Webhook:
    return replace(webhook, enabled=False, disabled_reason=given.reason) if webhook.enabled else webhook


def delete(webhook: Webhook, given: Nothing, command: Command, others: Others) -> None:
    return None


def groups(webhook: Webhook) -> Iterable[Mark]:
    yield "owner", webhook.owner


def _unknown(events: Iterable[str]) -> Rejected | None:
    unknown = sorted(set(events) - set(EVENTS))
    if unknown:
        return Rejected("event_unknown", f"No event is called {unknown[0]!r}; there are {', '.join(EVENTS)}")
    return None


WEBHOOKS = Decider(
    TOPIC,
    {
        "make": guarded(making(Make, make), webhook_kept),
        "change": guarded(changing(Change, change), webhook_kept),
        "disable": guarded(changing(Disable, disable), machinery),
        "delete": guarded(changing(Nothing, delete), webhook_ended),
    },
    groups=groups,
)
