"""Who asks, what that one may do, and what the door needs of whatever keeps the accounts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from ingest_api.presence import Presence
from ingest_api.problems import Forbidden


@dataclass(frozen=True, slots=True)
class Principal:
    """An authenticated caller. `id` is stable and unique over all kinds (`user:admin`, `key:sensor-7`): logs
    go by it. `scopes` are permissions, already resolved (schemas.permissions).

    `user` is the id of the user behind it, None of a key that the settings give; `session` and `key` say by what it
    came; `expires_at`, in microseconds, is when its credential ends.
    """

    id: str
    name: str
    scopes: frozenset[str]
    user: str | None = None
    session: str | None = None
    key: str | None = None
    expires_at: int | None = None

    @property
    def account(self) -> str:
        """Whom limits count: a user with all their sessions and keys; a key of the settings by itself."""
        return self.id if self.user is None else f"user:{self.user}"

    def may(self, permission: str) -> bool:
        return permission in self.scopes

    def require(self, permission: str) -> None:
        """Raises Forbidden, naming the permission that is missing."""
        if not self.may(permission):
            raise Forbidden(permission)


class Accounts(Protocol):
    """Where credentials are checked. Every method raises problems.Unauthenticated for what it does not accept,
    and takes the same time whatever the reason."""

    presence: Presence

    async def authenticate_key(self, key: str) -> Principal: ...

    async def principal_for_token(self, token: str) -> Principal: ...

    async def principal_for_resumed(self, ticket: str, proof: str) -> Principal:
        """For a ticket that has opened a stream, and the proof that was told in that stream."""
        ...

    def resume_proof(self, ticket: str) -> str: ...

    async def principal_for_cookie(self, cookie: str) -> Principal: ...

    async def principal_for_ticket(self, ticket: str) -> Principal:
        """Spends the ticket: it is accepted once."""
        ...

    def recheck(self, principal: Principal) -> Principal:
        """The principal as of now: with fewer permissions, perhaps, or not at all."""
        ...

    def csrf_token(self, session: str) -> str:
        """What a page must send along with a cookie, to show that it could read an answer of ours."""
        ...
