"""How often one may ask: the documented limits, per endpoint and caller, by the library of the same name.

Windows are fixed: the first request opens one, and its end is X-RateLimit-Reset. A request must fit the minute's
window and the hour's; one that is refused counts in neither. Counts are kept in this process: N replicas behind a
balancer admit up to N times as much.
"""

from __future__ import annotations

import ipaddress
import math
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from limits import RateLimitItem, RateLimitItemPerHour, RateLimitItemPerMinute, RateLimitItemPerSecond
from limits.aio.storage import Storage
from limits.aio.strategies import FixedWindowRateLimiter

from ingest_api.envelopes import envelope_for
from ingest_api.families import DASHBOARD, FAMILIES, NEUROGRID, PYNOMALY
from ingest_api.problems import RateLimited
from pipeline.clock import Clock


@dataclass(frozen=True, slots=True)
class Row:
    """A line of the table. Paths that name the same row share its counts. `burst` is for BURST_SECONDS."""

    name: str
    per_minute: int
    per_hour: int | None = None
    burst: int | None = None


_HEALTH = Row("health", 600, 10_000)
_POINTS = Row("process_points", 100, 2_000)
_LOGIN = Row("login", 10, 100)
_REGISTER = Row("register", 3, 3)
_MAILED = Row("mailed", 5, 20)
_SECOND_FACTOR = Row("second_factor", 10, 60)

TABLE: Mapping[str, Row] = {
    "/health": _HEALTH,
    "/api/v1/health": _HEALTH,
    "/api/v1/process_points": _POINTS,
    "/api/v1/process_batch": _POINTS,  # not in the table: a batch is no way around the limit on points
    "/api/v1/clusters_summary": Row("clusters_summary", 300, 5_000),
    "/api/v1/algorithm_status": Row("algorithm_status", 600, 10_000),
    "/auth/login": _LOGIN,
    "/api/auth/login": _LOGIN,
    "/api/auth/register": _REGISTER,
    "/api/auth/verify-email": _SECOND_FACTOR,
    "/api/auth/resend-verification": _MAILED,
    "/api/auth/forgot-password": _MAILED,
    "/api/auth/reset-password": _SECOND_FACTOR,
    "/api/auth/2fa/verify": _SECOND_FACTOR,
    "/api/auth/2fa/disable": _SECOND_FACTOR,
    "/api/tasks": Row("tasks", 10),
}
"""By route path."""

FAMILY_ROWS: Mapping[str, Row] = {
    PYNOMALY.name: Row("anomaly", 100, burst=20),
    NEUROGRID.name: Row("network", 100),
    DASHBOARD.name: Row("dashboard", 100),
}
"""By family: one row for all of its routes that TABLE does not name."""
BURST_SECONDS = 10

OTHERS_PER_MINUTE = 600
"""For each route of other families that TABLE does not name."""


@cache
def row_for(path: str) -> Row:
    """Of a route's path, of which there are as many as there are routes."""
    found = TABLE.get(path) or FAMILY_ROWS.get(envelope_for(path, FAMILIES).name)
    return found or Row(path, OTHERS_PER_MINUTE)


@dataclass(frozen=True, slots=True)
class Standing:
    """What is left of a window. `reset` is in seconds since the epoch, `window` in seconds."""

    limit: int
    remaining: int
    reset: float
    window: int

    def headers(self) -> dict[str, str]:
        return {
            "X-RateLimit-Limit": str(self.limit),
            "X-RateLimit-Remaining": str(self.remaining),
            "X-RateLimit-Reset": str(math.ceil(self.reset)),
            "X-RateLimit-Window": str(self.window),
        }


class Limiter:
    """`factor` multiplies every limit; 0 admits everyone. At most `capacity` windows are kept."""

    def __init__(self, clock: Clock, factor: float = 1.0, capacity: int = 100_000) -> None:
        self._clock, self._factor = clock, factor
        self._storage = BoundedStorage(clock, capacity)
        self._strategy = FixedWindowRateLimiter(self._storage)

    async def admit(self, path: str, caller: str) -> Standing | None:
        """Counts one request of `caller` to the route `path`. Raises RateLimited; None where limits are off.

        The standing is that of the window with less left.
        Nothing else runs between the tests and the hits: BoundedStorage never gives way.
        """
        if self._factor == 0:
            return None
        row = row_for(path)
        items = self._items(row)
        for item in items:
            if not await self._strategy.test(item, row.name, caller):
                raise self._refusal(await self._standing(item, row.name, caller))
        for item in items:
            await self._strategy.hit(item, row.name, caller)
        standings = [await self._standing(item, row.name, caller) for item in items]
        return min(standings, key=lambda standing: standing.remaining)

    def _items(self, row: Row) -> list[RateLimitItem]:
        items: list[RateLimitItem] = [RateLimitItemPerMinute(self._scaled(row.per_minute))]
        if row.burst is not None:
            items.append(RateLimitItemPerSecond(self._scaled(row.burst), BURST_SECONDS))
        if row.per_hour is not None:
            items.append(RateLimitItemPerHour(self._scaled(row.per_hour)))
        return items

    def _scaled(self, limit: int) -> int:
        return max(1, round(limit * self._factor))

    async def _standing(self, item: RateLimitItem, row: str, caller: str) -> Standing:
        stats = await self._strategy.get_window_stats(item, row, caller)
        return Standing(item.amount, stats.remaining, stats.reset_time, item.get_expiry())

    def _refusal(self, standing: Standing) -> RateLimited:
        wait = max(1, math.ceil(standing.reset - self._clock() / 1_000_000))
        headers = standing.headers() | {"Retry-After": str(wait)}
        return RateLimited(standing.limit, standing.window, wait, headers)


class BoundedStorage(Storage):
    """Counts of fixed windows in memory. When `capacity` is reached, the window longest unused is forgotten.

    The library's own memory storage keeps every key until it expires and walks all of them at each hit; here a
    flood of callers costs neither memory nor time.
    """

    STORAGE_SCHEME = None

    def __init__(self, clock: Clock, capacity: int) -> None:
        super().__init__()
        self._clock, self._capacity = clock, capacity
        self._windows: OrderedDict[str, tuple[int, float]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._windows)

    @property
    def base_exceptions(self) -> type[Exception]:
        return ValueError

    async def incr(self, key: str, expiry: float, amount: int = 1) -> int:
        count, end = self._live(key) or (0, self._now() + expiry)
        self._windows[key] = (count + amount, end)
        self._windows.move_to_end(key)
        if len(self._windows) > self._capacity:
            self._windows.popitem(last=False)
        return count + amount

    async def get(self, key: str) -> int:
        window = self._live(key)
        return window[0] if window else 0

    async def get_expiry(self, key: str) -> float:
        window = self._live(key)
        return window[1] if window else self._now()

    async def check(self) -> bool:
        return True

    async def reset(self) -> int | None:
        held = len(self._windows)
        self._windows.clear()
        return held

    async def clear(self, key: str) -> None:
        self._windows.pop(key, None)

    def give_back(self, key: str) -> None:
        """One less in the window, if it is still the one that was counted in."""
        window = self._live(key)
        if window is not None and window[0] > 0:
            self._windows[key] = (window[0] - 1, window[1])

    def _live(self, key: str) -> tuple[int, float] | None:
        window = self._windows.get(key)
        if window is not None and window[1] <= self._now():
            del self._windows[key]
            return None
        return window

    def _now(self) -> float:
        return self._clock() / 1_000_000


def address_key(host: str | None) -> str:
    """The caller an address stands for: an IPv6 subscriber has a whole /64, so that is what is counted."""
    try:
        address = ipaddress.ip_address(host or "")
    except ValueError:
        return "address:unknown"
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return f"address:{address.ipv4_mapped}"
        return f"address:{ipaddress.ip_network((address, 64), strict=False)}"
    return f"address:{address}"
