"""The API families that stand beside the streaming API's own: their error forms and limits. A family's paths may be
served by several domains."""

from __future__ import annotations

from collections.abc import Mapping

from ingest_api.envelopes import Envelope
from ingest_api.families.dashboard import DASHBOARD
from ingest_api.families.mira import MIRA
from ingest_api.families.neurogrid import NEUROGRID
from ingest_api.families.pynomaly import PYNOMALY
from ingest_api.limits import Limit

FAMILIES: tuple[Envelope, ...] = (PYNOMALY, NEUROGRID, MIRA, DASHBOARD)
"""No two claim the same prefix; of nested ones the longest decides."""

FAMILY_LIMITS: Mapping[str, Limit] = {
    PYNOMALY.name: Limit("anomaly", 100, burst=20),
    NEUROGRID.name: Limit("network", 100),
    DASHBOARD.name: Limit("dashboard", 100),
}
"""By family: one limit for all of its routes that have none of their own."""

PATH_LIMITS: Mapping[str, Limit] = {"/api/tasks": Limit("tasks", 10)}
"""Of documented paths that no domain serves yet."""

__all__ = ["DASHBOARD", "FAMILIES", "FAMILY_LIMITS", "MIRA", "NEUROGRID", "PATH_LIMITS", "PYNOMALY"]
