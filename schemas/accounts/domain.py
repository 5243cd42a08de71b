"""The records of the accounts domain."""

from __future__ import annotations

from schemas.accounts.topics import TOPICS
from schemas.domain import Domain, Permission, Scope, reads, writes

DOMAIN = Domain(
    "accounts",
    ids=range(2_000, 3_000),
    topics=TOPICS,
    permissions=(
        *reads("webhooks:read"),
        writes("webhooks:write", "data_scientist", "user", "node_operator"),
        Permission("admin", Scope.ADMIN),
        Permission("users:read", Scope.ADMIN, frozenset({"tenant_admin"})),
        Permission("users:write", Scope.ADMIN),
        Permission("audit:read", Scope.ADMIN),
        # One's own password, second factor, sessions and keys. Every user has it; no key can be given it, or a key
        # that leaks would make others.
        Permission("account:manage", None),
    ),
)
