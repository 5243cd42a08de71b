"""Webhooks, and what was sent to them."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, ClassVar, Self

from schemas.entity import Entity
from schemas.event import Event, shallow

TEST_EVENT = "webhook.test"
_ENDED = 1 << 30


@dataclass(frozen=True, slots=True, eq=False)
class Webhook(Entity):
    """An address that is told of events. `secret` is sealed. `disabled_reason` says why it is off, unless its owner
    turned it off."""

    SCHEMA: ClassVar[str] = "accounts.webhook.v1"
    KIND: ClassVar[str] = "webhook"

    owner: str
    url: str
    events: list[str]
    secret: str = field(repr=False)
    description: str | None = None
    enabled: bool = True
    disabled_reason: str | None = None


class Progress(StrEnum):
    """`pending` is tried again until it is `delivered` or has `failed` for good."""

    PENDING = "pending"
    DELIVERED = "delivered"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Attempt:
    """`status` is the HTTP status, None where none came; `error` then says why."""

    at: int
    milliseconds: float
    status: int | None
    error: str | None


@dataclass(frozen=True, slots=True, eq=False)
class Delivery(Event):
    """One event for one webhook, from before its first attempt until after its last. Key: `id`, which follows from the
    webhook and the event's position: made twice, it is the same. `body` is what is sent, `source` the position of the
    event (None of a test)."""

    SCHEMA: ClassVar[str] = "accounts.delivery.v1"

    id: str
    webhook: str
    event: str
    source: str | None
    created_at: int
    progress: Progress
    next_attempt_at: int | None
    attempts: list[Attempt]
    body: bytes = field(repr=False)

    @property
    def advance(self) -> int:
        """How far it has come. It only grows: a record that says less is an old one."""
        return len(self.attempts) + (0 if self.progress is Progress.PENDING else _ENDED)

    def datum(self) -> dict[str, Any]:
        return shallow(self) | {"attempts": [shallow(attempt) for attempt in self.attempts]}

    @classmethod
    def of(cls, datum: dict[str, Any]) -> Self:
        attempts = [Attempt(**attempt) for attempt in datum["attempts"]]
        return cls(**datum | {"attempts": attempts, "progress": Progress(datum["progress"])})
