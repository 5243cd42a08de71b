"""The one vocabulary of what may be done, and the words of the API families that stand for parts of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

READ = frozenset(
    f"{street}:read"
    for street in ("clustering", "anomaly", "tasks", "nodes", "payments", "files", "networks", "operations", "webhooks")
)
WRITE = frozenset(
    {
        "clustering:write",
        "anomaly:create",
        "anomaly:write",
        "anomaly:delete",
        "tasks:write",
        "nodes:write",
        "payments:write",
        "files:write",
        "networks:write",
        "operations:write",
        "webhooks:write",
    }
)
ADMIN = frozenset({"admin", "users:read", "users:write", "audit:read"})
OWN = frozenset({"account:manage"})
"""One's own password, second factor, sessions and keys. Every user has it; no key can be given it, or a key that leaks
would make others."""

PERMISSIONS: frozenset[str] = READ | WRITE | ADMIN | OWN
"""A route may require nothing else."""

SCOPES: Mapping[str, frozenset[str]] = {"read": READ, "write": WRITE, "admin": ADMIN}
"""Words that stand for several permissions. None implies another."""

_ANALYST = READ | {"anomaly:write"}
_SCIENTIST = _ANALYST | {"clustering:write", "anomaly:create", "tasks:write", "files:write", "webhooks:write"}
_USER = READ | {"clustering:write", "tasks:write", "files:write", "payments:write", "networks:write", "webhooks:write"}

ROLES: Mapping[str, frozenset[str]] = {
    "super_admin": PERMISSIONS,
    "admin": PERMISSIONS,
    "tenant_admin": READ | WRITE | {"users:read"} | OWN,
    "data_scientist": _SCIENTIST | OWN,
    "analyst": _ANALYST | OWN,
    "viewer": READ | OWN,
    "user": _USER | OWN,
    "node_operator": _USER | {"nodes:write"} | OWN,
    "write": READ | WRITE | OWN,
    "read": READ | OWN,
}
"""Roles of all families, and the permissions of each. `write` and `read` are the streaming API's users."""

ADMINISTRATORS = frozenset({"super_admin", "admin"})
OPEN_ROLES = frozenset({"user", "node_operator"})
"""What anybody may make themselves; other roles are given by administrators."""


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
