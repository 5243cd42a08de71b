"""Who owns a stream, and whom it is shown to."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from schemas.entity import Entity
from schemas.grants import Access, Party, Visibility, access

MAX_KEY = 128
"""Characters of a stream's key."""


@dataclass(frozen=True, slots=True, eq=False)
class Stream(Entity):
    """`id` is the stream's key in the log; `name` is what its owner calls it, the same unless another had that name
    first. `owner` is a user's id or grants.OPERATOR, `members` are users' ids. One that was deleted is `retired_at`
    some time, and its key is kept for its owner as long as the log holds what was told of it."""

    SCHEMA: ClassVar[str] = "accounts.stream.v1"
    KIND: ClassVar[str] = "stream"

    owner: str
    name: str
    visibility: Visibility = Visibility.OWNER
    members: list[str] = field(default_factory=list)
    retired_at: int | None = None

    def access(self, party: Party) -> Access:
        return access(self.owner, self.visibility, self.members, party)
