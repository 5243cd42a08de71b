"""The records of the clustering domain."""

from __future__ import annotations

from schemas.clustering.points import PointsAnswered
from schemas.clustering.topics import DRIFT, TOPICS
from schemas.domain import Domain, WebhookEvent, reads, writes

DOMAIN = Domain(
    "clustering",
    ids=range(1_000, 2_000),
    topics=TOPICS,
    answers=(PointsAnswered,),
    permissions=(*reads("clustering:read"), writes("clustering:write", "data_scientist", "user", "node_operator")),
    events=(WebhookEvent("drift.detected", "clustering:read", DRIFT),),
)
