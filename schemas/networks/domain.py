"""The networks domain: permissions that roles and keys name; it has no records yet."""

from __future__ import annotations

from schemas.domain import Domain, reads, writes

DOMAIN = Domain(
    "networks",
    ids=range(6_000, 7_000),
    permissions=(*reads("networks:read"), writes("networks:write", "user", "node_operator")),
)
