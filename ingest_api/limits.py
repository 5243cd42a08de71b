"""How often one may ask: the documented limits, per endpoint and caller, by the library of the same name.

Windows are fixed: the first request opens one, and its end is X-RateLimit-Reset. A request must fit the minute's
window and the hour's; one that is refused counts in neither. Counts are kept in this process: N replicas behind a
balancer admit up to N times as much.
"""

from __future__ import annotations

import ipaddress
import math
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from limits import RateLimitItem, RateLimitItemPerHour, RateLimitItemPerMinute, RateLimitItemPerSecond
from limits.aio.storage import Storage
from limits.aio.strategies import FixedWindowRateLimiter

from ingest_api.envelopes import Envelope, envelope_for
from ingest_api.problems import RateLimited
from pipeline.clock import Clock


@dataclass(frozen=True, slots=True)
class Limit:
    """How many requests one caller may make. Paths of one limit's `name` share its counts. `burst` is for
    BURST_SECONDS."""

    name: str
    per_minute: int
    per_hour: int | None = None
    burst: int | None = None


BURST_SECONDS = 10
OTHERS_PER_MINUTE = 600
"""For each route that has no limit of its own, nor one of its family."""


@dataclass(frozen=True, eq=False)
class Limits:
    """All limits of an application: `by_path` by route path; `by_family` by the name of the error envelope that holds
    for a path, one limit for all routes of the family that have none of their own."""

    by_path: Mapping[str, Limit] = field(default_factory=dict)
    by_family: Mapping[str, Limit] = field(default_factory=dict)
    envelopes: Sequence[Envelope] = ()
    _others: dict[str, Limit] = field(default_factory=dict, init=False, repr=False)

    def of(self, path: str) -> Limit:
        """Of a route's path, of which there are as many as there are routes."""
        found = self.by_path.get(path) or self._others.get(path)
        if found is None:
            family = self.by_family.get(envelope_for(path, self.envelopes).name)
            found = self._others[path] = family or Limit(path, OTHERS_PER_MINUTE)
        return found


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

    def __init__(self, limits: Limits, clock: Clock, factor: float = 1.0, capacity: int = 100_000) -> None:
        self._limits, self._clock, self._factor = limits, clock, factor
        self._storage = BoundedStorage(clock, capacity)
        self._strategy = FixedWindowRateLimiter(self._storage)

    async def admit(self, path: str, caller: str) -> Standing | None:
        """Counts one request of `caller` to the route `path`. Raises RateLimited; None where limits are off.

        The standing is that of the window with less left.
        Nothing else runs between the tests and the hits: BoundedStorage never gives way.
        """
        if self._factor == 0:
            return None
        limit = self._limits.of(path)
        items = self._items(limit)
        for item in items:
            if not await self._strategy.test(item, limit.name, caller):
                raise self._refusal(await self._standing(item, limit.name, caller))
        for item in items:
            await self._strategy.hit(item, limit.name, caller)
        standings = [await self._standing(item, limit.name, caller) for item in items]
        return min(standings, key=lambda standing: standing.remaining)

    def _items(self, limit: Limit) -> list[RateLimitItem]:
        items: list[RateLimitItem] = [RateLimitItemPerMinute(self._scaled(limit.per_minute))]
        if limit.burst is not None:
            items.append(RateLimitItemPerSecond(self._scaled(limit.burst), BURST_SECONDS))
        if limit.per_hour is not None:
            items.append(RateLimitItemPerHour(self._scaled(limit.per_hour)))
        return items

    def _scaled(self, limit: int) -> int:
        return max(1, round(limit * self._factor))

    async def _standing(self, item: RateLimitItem, name: str, caller: str) -> Standing:
        stats = await self._strategy.get_window_stats(item, name, caller)
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
