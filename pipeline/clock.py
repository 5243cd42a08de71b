"""The one place that asks what time it is."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FIRST = (datetime.min.replace(tzinfo=UTC) - _EPOCH) // timedelta(microseconds=1)
_LAST = (datetime.max.replace(tzinfo=UTC) - _EPOCH) // timedelta(microseconds=1)

Clock = Callable[[], int]
"""Microseconds since the epoch, UTC."""


def now() -> int:
    return time.time_ns() // 1000


def iso(microseconds: int) -> str:
    """RFC 3339 in UTC with milliseconds: 2025-01-15T10:30:00.000Z. Producers set times as they like: one outside the
    years 1 to 9999, which the form cannot say, becomes the nearest it can."""
    moment = _EPOCH + timedelta(microseconds=min(max(microseconds, _FIRST), _LAST))
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
