"""The one vocabulary of what may be done, and the words of the API families that stand for parts of it.

Each domain declares its permissions; roles are the accounts' (`schemas.accounts.roles`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from schemas.accounts.roles import SCOPES_HELD
from schemas.domain import Permission, Scope
from schemas.domains import DOMAINS

_DECLARED: tuple[Permission, ...] = tuple(each for domain in DOMAINS for each in domain.permissions)

PERMISSIONS: frozenset[str] = frozenset(each.name for each in _DECLARED)
"""A route may require nothing else."""

SCOPES: Mapping[str, frozenset[str]] = {
    scope.value: frozenset(each.name for each in _DECLARED if each.scope is scope) for scope in Scope
}
"""Words that stand for several permissions. None implies another."""

OWN: frozenset[str] = frozenset(each.name for each in _DECLARED if each.scope is None)
"""What every user may do with what is their own, and no API key."""


def _granted(permission: Permission, role: str, held: frozenset[Scope]) -> bool:
    return permission.scope is None or permission.scope in held or role in permission.roles


ROLES: Mapping[str, frozenset[str]] = {
    role: frozenset(each.name for each in _DECLARED if _granted(each, role, held)) for role, held in SCOPES_HELD.items()
}
"""The permissions of each role."""


def permitted(roles: Iterable[str]) -> frozenset[str]:
    """All that the roles grant together. A role of a name that is no more grants nothing."""
    return frozenset[str]().union(*(ROLES.get(role, frozenset()) for role in roles))


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
    covered = frozenset[str]().union(*(SCOPES[word] for word in words))
    return [*words, *sorted(permissions - covered)]
