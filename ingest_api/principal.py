"""Who asks, what that one may do, and what the door needs of whatever keeps the accounts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from ingest_api.problems import Forbidden


@dataclass(frozen=True, slots=True)
class Principal:
    """An authenticated caller. `id` is stable and unique over all kinds (`user:admin`, `key:sensor-7`): limits
    and logs go by it. `scopes` are permissions, already resolved (schemas.accounts.permissions)."""

    id: str
    name: str
    scopes: frozenset[str]

    def may(self, permission: str) -> bool:
        return permission in self.scopes

    def require(self, permission: str) -> None:
        """Raises Forbidden, naming the permission that is missing."""
        if not self.may(permission):
            raise Forbidden(permission)


@dataclass(frozen=True, slots=True)
class Token:
    """An access token as a login answers it (RFC 6749, 5.1). `scope` is space-separated, `expires_in` seconds."""

    access_token: str
    expires_in: int
    scope: str


class Accounts(Protocol):
    """Where credentials are checked. Every method raises problems.Unauthenticated for what it does not accept,
    and takes the same time whatever the reason."""

    async def authenticate_password(self, username: str, password: str, *, local: bool) -> Principal:
        """`local` tells whether the caller sits on this very machine (see auth.is_local)."""
        ...

    async def authenticate_key(self, key: str) -> Principal: ...

    async def principal_for_token(self, token: str) -> Principal: ...

    async def token_for(self, principal: Principal) -> Token:
        """A new access token that carries all the principal's permissions."""
        ...
