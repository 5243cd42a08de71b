"""The one place that asks what time it is."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime

Clock = Callable[[], int]
"""Microseconds since the epoch, UTC."""


def now() -> int:
    return time.time_ns() // 1000


def iso(microseconds: int) -> str:
    """RFC 3339 in UTC with milliseconds: 2025-01-15T10:30:00.000Z"""
    moment = datetime.fromtimestamp(microseconds / 1_000_000, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
