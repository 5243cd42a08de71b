"""How often one may fail to log in.

Failures are counted by account and address together, so that nobody can lock a user out from elsewhere. What is spread
over many addresses is counted by account as well, from addresses that the user has not logged in from: they alone must
then wait. Codes of a second factor are counted by account besides, for who guesses them has the password already.
Successes are not counted. Counts are this process's own.

An attempt is counted when it begins and given back when it was none: however many come at once, no more are looked at
than may fail.
"""

from __future__ import annotations

import asyncio
import math
from collections import Counter
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager

from limits import RateLimitItem, RateLimitItemPerHour, RateLimitItemPerMinute
from limits.aio.strategies import FixedWindowRateLimiter

from ingest_api.limits import BoundedStorage, address_key
from ingest_api.problems import RateLimited
from pipeline.clock import Clock

WINDOW_MINUTES = 15
PER_ADDRESS = RateLimitItemPerMinute(5, WINDOW_MINUTES)
FROM_STRANGERS = RateLimitItemPerMinute(100, WINDOW_MINUTES)
CODES = RateLimitItemPerHour(10)
"""Of a million codes three hold at a time: at ten wrong ones an hour, a guesser needs four years for an even chance."""
CODES_TOLD = 3
"""Wrong codes in that hour after which the user is told that somebody has the password."""
PATIENCE_SECONDS = 5.0
"""How long an attempt waits for others that are being looked at."""
Window = tuple[RateLimitItem, Sequence[str]]


class Attempt:
    """One that is being looked at; `succeeded` or `undecided` is said before it ends, else it has failed."""

    def __init__(self) -> None:
        self.failed, self.forgets = True, False

    def succeeded(self) -> None:
        """What failed before does not count any more, from this address."""
        self.failed, self.forgets = False, True

    def undecided(self) -> None:
        """Neither right nor wrong came out: it is not counted."""
        self.failed = False


class Throttle:
    """Accounts are named as the caller named them: whether there is such a user makes no difference."""

    def __init__(self, clock: Clock, capacity: int = 100_000) -> None:
        self._clock = clock
        self._storage = BoundedStorage(clock, capacity)
        self._strategy = FixedWindowRateLimiter(self._storage)
        self._open: Counter[str] = Counter()
        self._ended = asyncio.Event()

    @asynccontextmanager
    async def attempt(
        self, account: str, address: str | None, familiar: Collection[str | None]
    ) -> AsyncIterator[Attempt]:
        """One try of a password. `familiar` are addresses that the user has sessions from. Raises RateLimited."""
        name = account.casefold()
        windows: list[Window] = [(PER_ADDRESS, ("login", name, address_key(address)))]
        if address_key(address) not in {address_key(each) for each in familiar}:
            windows.append((FROM_STRANGERS, ("login", name, "strangers")))
        async with self._counted(windows) as attempt:
            yield attempt
        if attempt.forgets:
            item, key = windows[0]
            await self._strategy.clear(item, *key)

    @asynccontextmanager
    async def code(self, account: str) -> AsyncIterator[Attempt]:
        """One try of a code, by who knows the password. Raises RateLimited."""
        async with self._counted([(CODES, ("code", account))]) as attempt:
            yield attempt

    async def codes_counted(self, account: str) -> int:
        """How many in this hour, with those that are being looked at."""
        return await self._storage.get(CODES.key_for("code", account))

    @asynccontextmanager
    async def _counted(self, windows: Sequence[Window]) -> AsyncIterator[Attempt]:
        await self._begin(windows)
        attempt = Attempt()
        try:
            yield attempt
        finally:
            for item, key in windows:
                at = item.key_for(*key)
                self._open[at] -= 1
                if not self._open[at]:
                    del self._open[at]
                if not attempt.failed:
                    self._storage.give_back(at)
            ended, self._ended = self._ended, asyncio.Event()
            ended.set()

    async def _begin(self, windows: Sequence[Window]) -> None:
        """Counts it in every window. Nothing else runs between the tests and the hits: BoundedStorage never gives way.

        Where a window is full only because others are being looked at, it waits for them.
        """
        deadline = asyncio.get_running_loop().time() + PATIENCE_SECONDS
        while (full := await self._full(windows)) is not None:
            item, key = full
            if not self._open[item.key_for(*key)]:
                raise await self._refusal(item, key)
            try:
                async with asyncio.timeout_at(deadline):
                    await self._ended.wait()
            except TimeoutError:
                raise await self._refusal(item, key) from None
        for item, key in windows:
            await self._strategy.hit(item, *key)
            self._open[item.key_for(*key)] += 1

    async def _full(self, windows: Sequence[Window]) -> Window | None:
        for item, key in windows:
            if not await self._strategy.test(item, *key):
                return item, key
        return None

    async def _refusal(self, item: RateLimitItem, key: Sequence[str]) -> RateLimited:
        stats = await self._strategy.get_window_stats(item, *key)
        wait = max(1, math.ceil(stats.reset_time - self._clock() / 1_000_000))
        return RateLimited(item.amount, item.get_expiry(), wait, {"Retry-After": str(wait)})
