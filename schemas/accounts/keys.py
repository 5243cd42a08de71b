"""API keys."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from schemas.entity import Entity


@dataclass(frozen=True, slots=True, eq=False)
class Key(Entity):
    """What a program has instead of a user's password. `digest` is the keyed hash of the key, `prefix` its beginning,
    by which its owner tells it from others. It may do what is in `permissions` and its owner may do as well."""

    SCHEMA: ClassVar[str] = "accounts.key.v1"
    KIND: ClassVar[str] = "key"

    owner: str
    name: str
    prefix: str
    digest: str = field(repr=False)
    permissions: list[str]
    expires_at: int | None = None
    last_used_at: int | None = None
