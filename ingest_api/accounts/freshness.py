"""Until when this process knows of every stream whose it is."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from pipeline.clock import Clock
from pipeline.errors import LogUnavailable

EVERY_SECONDS = 5.0
PATIENCE_SECONDS = 5.0
log = logging.getLogger(__name__)


class Freshness:
    """That no owner of a stream is known proves nothing while the log may have one that was not read: a partition
    without a leader is silent as an idle one is. So the log is asked again and again where it ends, and what is read up
    to there was all there was when it was asked.

    `end` is asked from a thread and raises LogUnavailable; `read_to` waits until all before an offset has been read, at
    most so many seconds, and says whether it was.
    """

    name = "owners"

    def __init__(self, end: Callable[[], int], read_to: Callable[[int, float], Awaitable[bool]], clock: Clock) -> None:
        self._end, self._read_to, self._clock = end, read_to, clock
        self._at = 0
        self._asking: asyncio.Task[None] | None = None

    def known(self) -> int:
        """Microseconds since the epoch: what was in the log by then has been read."""
        return self._at

    async def start(self) -> None:
        await self.confirm()
        self._asking = asyncio.create_task(self._ask())

    async def stop(self) -> None:
        if self._asking is not None:
            self._asking.cancel()

    async def confirm(self) -> None:
        """Asks once. Where the log does not answer, nothing newer is known."""
        asked = self._clock()
        try:
            if await self._read_to(await asyncio.to_thread(self._end), PATIENCE_SECONDS):
                self._at = asked
        except LogUnavailable as error:
            log.info("where the log of owners ends is not to be had: %s", error)

    async def _ask(self) -> None:
        while True:
            await asyncio.sleep(EVERY_SECONDS)
            await self.confirm()
