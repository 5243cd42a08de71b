"""Errors as the cluster dashboard documents them: one sentence as `detail`; 400 for fields, since it knows no 422."""

from __future__ import annotations

from typing import Any

from ingest_api.envelopes import Envelope, Occasion
from ingest_api.problems import Problem


def write(problem: Problem, occasion: Occasion) -> dict[str, Any]:
    return {"detail": problem.detail}


_SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["detail"],
    "properties": {"detail": {"type": "string", "examples": ["Worker worker-001 not found"]}},
}
_SECTIONS = ("/cluster", "/workers", "/metrics", "/alerts", "/logs", "/settings", "/ws/connections")
_PREFIXES = (
    *_SECTIONS,
    "/monitoring",
    *(f"/api{section}" for section in _SECTIONS),
    "/api/monitoring/status",
    "/api/system_metrics",
)
"""Its pages ask below `/api` too. The rest of `/api/monitoring` is NeuroGrid's."""

DASHBOARD = Envelope("DashboardError", _PREFIXES, write, _SCHEMA, status={422: 400})
