"""Invitations to become a user."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from schemas.entity import Entity


@dataclass(frozen=True, slots=True, eq=False)
class Invitation(Entity):
    """Lets one person register, once. `id` will be that of the user; `digest` is the keyed hash of its token. Where
    `email` is given it is good for that address alone. `owner` is the user who made it, None of a key of the
    settings."""

    SCHEMA: ClassVar[str] = "accounts.invitation.v1"
    KIND: ClassVar[str] = "invitation"

    digest: str = field(repr=False)
    expires_at: int
    owner: str | None = None
    email: str | None = None
