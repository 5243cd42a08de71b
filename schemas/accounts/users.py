"""Users, and what they log in with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, ClassVar

from schemas.entity import Entity
from schemas.event import shallow


class Status(StrEnum):
    """Only the active may do anything."""

    ACTIVE = "active"
    INACTIVE = "inactive"
    BANNED = "banned"


class Purpose(StrEnum):
    VERIFY_EMAIL = "verify_email"
    RESET_PASSWORD = "reset_password"


@dataclass(frozen=True, slots=True)
class OneTimeToken:
    """Sent by mail; `digest` is its keyed hash."""

    purpose: Purpose
    digest: str = field(repr=False)
    expires_at: int


@dataclass(frozen=True, slots=True)
class Session:
    """A login that has not ended. `digest` is the keyed hash of its refresh token, `spent` those of the tokens before
    it: whoever shows one of these has a copy. `access_id` is the one access token that holds."""

    id: str
    digest: str = field(repr=False)
    spent: list[str] = field(repr=False)
    access_id: str = field(repr=False)
    opened_at: int
    refreshed_at: int
    expires_at: int
    address: str | None
    agent: str | None


@dataclass(frozen=True, slots=True)
class SpentTicket:
    id: str
    expires_at: int


@dataclass(frozen=True, slots=True, eq=False)
class User(Entity):
    """`number` is the offset of the command that made the user: the id of clients that know numbers alone.

    `password` is an Argon2id hash in PHC form; `totp` and `totp_offered` are sealed, the first in force, the second
    waiting for its first code; `totp_step` is the last time step that was used (RFC 6238, 5.2: none twice).
    """

    SCHEMA: ClassVar[str] = "accounts.user.v1"
    KIND: ClassVar[str] = "user"

    number: int
    username: str
    email: str | None = None
    full_name: str | None = None
    company: str | None = None
    bio: str | None = None
    website: str | None = None
    location: str | None = None
    notification_preferences: Mapping[str, bool] = field(default_factory=dict)
    roles: list[str] = field(default_factory=list)
    status: Status = Status.ACTIVE
    status_reason: str | None = None
    email_verified: bool = False
    local_only: bool = False
    last_login_at: int | None = None
    password: str | None = field(default=None, repr=False)
    password_changed_at: int | None = None
    totp: str | None = field(default=None, repr=False)
    totp_offered: str | None = field(default=None, repr=False)
    totp_step: int = 0
    backup_codes: list[str] = field(default_factory=list, repr=False)
    tokens: list[OneTimeToken] = field(default_factory=list)
    sessions: list[Session] = field(default_factory=list)
    tickets: list[SpentTicket] = field(default_factory=list)

    def datum(self) -> dict[str, Any]:
        return shallow(self) | {
            "tokens": [shallow(token) for token in self.tokens],
            "sessions": [shallow(session) for session in self.sessions],
            "tickets": [shallow(ticket) for ticket in self.tickets],
        }

    def session(self, session_id: str) -> Session | None:
        return next((session for session in self.sessions if session.id == session_id), None)
