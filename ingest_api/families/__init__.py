"""The error forms of the API families that stand beside the streaming API's own."""

from __future__ import annotations

from ingest_api.envelopes import Envelope
from ingest_api.families.dashboard import DASHBOARD
from ingest_api.families.mira import MIRA
from ingest_api.families.neurogrid import NEUROGRID
from ingest_api.families.pynomaly import PYNOMALY

FAMILIES: tuple[Envelope, ...] = (PYNOMALY, NEUROGRID, MIRA, DASHBOARD)
"""No two claim the same prefix; of nested ones the longest decides."""

__all__ = ["DASHBOARD", "FAMILIES", "MIRA", "NEUROGRID", "PYNOMALY"]
