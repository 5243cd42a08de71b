"""The records of the operations domain."""

from __future__ import annotations

from schemas.domain import Domain, reads, writes
from schemas.operations.topics import TOPICS

DOMAIN = Domain(
    "operations",
    ids=range(3_000, 4_000),
    topics=TOPICS,
    permissions=(*reads("operations:read"), writes("operations:write")),
)
