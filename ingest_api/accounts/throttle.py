"""How often one may fail to log in.

Failures are counted by account and address together, so that nobody can lock a user out from elsewhere. What is spread
over many addresses is counted by account as well, from addresses that the user has not logged in from: they alone must
then wait. Successes are not counted. Counts are this process's own.
"""

from __future__ import annotations

import math
from collections.abc import Collection

from limits import RateLimitItem, RateLimitItemPerMinute
from limits.aio.strategies import FixedWindowRateLimiter

from ingest_api.limits import BoundedStorage, address_key
from ingest_api.problems import RateLimited
from pipeline.clock import Clock

WINDOW_MINUTES = 15
PER_ADDRESS = RateLimitItemPerMinute(5, WINDOW_MINUTES)
FROM_STRANGERS = RateLimitItemPerMinute(100, WINDOW_MINUTES)


class Throttle:
    """Accounts are named as the caller named them: whether there is such a user makes no difference."""

    def __init__(self, clock: Clock, capacity: int = 100_000) -> None:
        self._clock = clock
        self._strategy = FixedWindowRateLimiter(BoundedStorage(clock, capacity))

    async def admit(self, account: str, address: str | None, familiar: Collection[str | None]) -> None:
        """`familiar` are addresses that the user has sessions from. Raises RateLimited."""
        for item, *key in self._windows(account, address, familiar):
            if not await self._strategy.test(item, *key):
                raise await self._refusal(item, *key)

    async def failed(self, account: str, address: str | None, familiar: Collection[str | None]) -> None:
        for item, *key in self._windows(account, address, familiar):
            await self._strategy.hit(item, *key)

    async def succeeded(self, account: str, address: str | None) -> None:
        """What failed before does not count any more, from this address."""
        await self._strategy.clear(PER_ADDRESS, "login", account.casefold(), address_key(address))

    def _windows(
        self, account: str, address: str | None, familiar: Collection[str | None]
    ) -> list[tuple[RateLimitItem, str, *tuple[str, ...]]]:
        name = account.casefold()
        windows: list[tuple[RateLimitItem, str, *tuple[str, ...]]] = [
            (PER_ADDRESS, "login", name, address_key(address))
        ]
        if address_key(address) not in {address_key(each) for each in familiar}:
            windows.append((FROM_STRANGERS, "login", name, "strangers"))
        return windows

    async def _refusal(self, item: RateLimitItem, *key: str) -> RateLimited:
        stats = await self._strategy.get_window_stats(item, *key)
        wait = max(1, math.ceil(stats.reset_time - self._clock() / 1_000_000))
        return RateLimited(item.amount, item.get_expiry(), wait, {"Retry-After": str(wait)})
