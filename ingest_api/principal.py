"""Who asks, what that one may do, and what the door needs of whatever keeps the accounts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol

from ingest_api.problems import Forbidden

SCOPES: Mapping[str, frozenset[str]] = {
    "read": frozenset({"clustering:read"}),
    "write": frozenset({"clustering:write"}),
    "admin": frozenset({"admin"}),
}
"""The scopes of a token or key, as clients see them, and the permissions each stands for. None implies another."""

PERMISSIONS: frozenset[str] = frozenset().union(*SCOPES.values())
"""The whole vocabulary: a route may require nothing else."""


@dataclass(frozen=True, slots=True)
class Principal:
    """An authenticated caller. `id` is stable and unique over all kinds (`user:admin`, `key:sensor-7`): limits
    and logs go by it. `scopes` are permissions, already resolved from the words of `SCOPES`."""

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


def permissions_of(scopes: Iterable[str]) -> frozenset[str]:
    """The permissions behind scopes; a permission may stand for itself. Raises ValueError for an unknown one."""
    granted: set[str] = set()
    for scope in scopes:
        if scope in SCOPES:
            granted |= SCOPES[scope]
        elif scope in PERMISSIONS:
            granted.add(scope)
        else:
            known = ", ".join([*SCOPES, *sorted(PERMISSIONS - SCOPES.keys())])
            raise ValueError(f"no scope is called {scope!r}; there are {known}")
    return frozenset(granted)


def scopes_of(permissions: frozenset[str]) -> list[str]:
    """The words for a set of permissions: scopes where they are held whole, else the permissions themselves."""
    words = [scope for scope, meant in SCOPES.items() if meant <= permissions]
    covered = frozenset().union(*(SCOPES[word] for word in words))
    return [*words, *sorted(permissions - covered)]
