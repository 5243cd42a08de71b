"""The roles of all API families, and the scopes that each holds whole."""

from __future__ import annotations

from collections.abc import Mapping

from schemas.domain import Scope

_ALL = frozenset(Scope)
_READER = frozenset({Scope.READ})
_WRITER = frozenset({Scope.READ, Scope.WRITE})

SCOPES_HELD: Mapping[str, frozenset[Scope]] = {
    "super_admin": _ALL,
    "admin": _ALL,
    "tenant_admin": _WRITER,
    "data_scientist": _READER,
    "analyst": _READER,
    "viewer": _READER,
    "user": _READER,
    "node_operator": _READER,
    "write": _WRITER,
    "read": _READER,
}
"""Domains add single permissions (`schemas.domain.Permission.roles`). `write` and `read` are the streaming API's users.
"""

ADMINISTRATORS = frozenset({"super_admin", "admin"})
OPEN_ROLES = frozenset({"user", "node_operator"})
"""What anybody may make themselves; other roles are given by administrators."""
