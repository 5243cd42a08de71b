"""The tasks domain: permissions that roles and keys name; it has no records yet."""

from __future__ import annotations

from schemas.domain import Domain, reads, writes

DOMAIN = Domain(
    "tasks",
    ids=range(5_000, 6_000),
    permissions=(
        *reads("tasks:read", "nodes:read", "payments:read", "files:read"),
        writes("tasks:write", "data_scientist", "user", "node_operator"),
        writes("nodes:write", "node_operator"),
        writes("payments:write", "user", "node_operator"),
        writes("files:write", "data_scientist", "user", "node_operator"),
    ),
)
