"""How many statements of a role run at once, how many wait, and how many bytes of bodies are held for it."""

from __future__ import annotations

import asyncio

from pipeline.embedded.warehouse.errors import refusal
from pipeline.embedded.warehouse.settings import Limits


class Admission:
    """For one event loop. What does not fit is refused at once, with TOO_MANY_SIMULTANEOUS_QUERIES (202)."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._slots = asyncio.Semaphore(limits.workers)
        self._waiting = 0
        self._bytes = 0

    async def enter(self) -> None:
        """Waits for a free worker, at most `queue_wait` seconds. `leave` must follow."""
        if self._slots.locked() and self._waiting >= self._limits.queue:
            raise self._full()
        self._waiting += 1
        try:
            await asyncio.wait_for(self._slots.acquire(), self._limits.queue_wait)
        except TimeoutError as error:
            raise self._full() from error
        finally:
            self._waiting -= 1

    def leave(self) -> None:
        self._slots.release()

    def hold(self, size: int) -> None:
        """Counts `size` bytes of a body held in memory, until they are let `go`."""
        if self._bytes + size > self._limits.in_flight:
            raise refusal("TOO_MANY_SIMULTANEOUS_QUERIES", "Too many bytes of request bodies are held; try again later")
        self._bytes += size

    def go(self, size: int) -> None:
        self._bytes -= size

    def _full(self) -> Exception:
        running = self._limits.workers
        return refusal("TOO_MANY_SIMULTANEOUS_QUERIES", f"Too many simultaneous queries: {running} run, others wait")
