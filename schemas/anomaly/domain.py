"""The anomaly domain: permissions and events that roles, keys and webhooks name; it has no records yet."""

from __future__ import annotations

from schemas.domain import Domain, WebhookEvent, reads, writes

DOMAIN = Domain(
    "anomaly",
    ids=range(4_000, 5_000),
    permissions=(
        *reads("anomaly:read"),
        writes("anomaly:create", "data_scientist"),
        writes("anomaly:write", "data_scientist", "analyst"),
        writes("anomaly:delete"),
    ),
    events=(
        WebhookEvent("detection.completed", "anomaly:read"),
        WebhookEvent("training.started", "anomaly:read"),
        WebhookEvent("training.completed", "anomaly:read"),
        WebhookEvent("alert.triggered", "anomaly:read"),
    ),
)
