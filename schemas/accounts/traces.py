"""Mail to be sent, and the audit of who did what."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import ClassVar

from schemas.event import Event


@dataclass(frozen=True, slots=True, eq=False)
class MailRequested(Event):
    """A mail to be sent. Key: `user`. `sealed` holds subject and text in JSON, which may carry a token; after
    `expires_at` it is of no use to anyone."""

    SCHEMA: ClassVar[str] = "mail.requested.v1"

    user: str
    recipient: str
    purpose: str
    requested_at: int
    expires_at: int
    sealed: str = field(repr=False)


class Verdict(StrEnum):
    ACCEPTED = "accepted"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True, eq=False)
class ActionAudited(Event):
    """Who did, or tried to do, what. Key: `actor`. `action` is `<entity>.<command>` or a method and a route; `count`
    such in a row within a second are one record. `source_*` is the position of the command, None where there was none;
    `status` is the HTTP status, None where the log decided."""

    SCHEMA: ClassVar[str] = "actions.audited.v1"

    at: int
    actor: str
    action: str
    target: str | None
    verdict: Verdict
    status: int | None
    reason: str | None
    address: str | None
    request_id: str | None
    count: int
    source_partition: int | None
    source_offset: int | None
    details: Mapping[str, str]

    @classmethod
    def of(cls, datum: dict[str, object]) -> ActionAudited:
        return cls(**datum | {"verdict": Verdict(str(datum["verdict"]))})  # type: ignore[arg-type]
