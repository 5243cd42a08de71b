"""Letting the rest of the process run now and then: heartbeats and fetches share the loop with long work."""

from __future__ import annotations

import asyncio
import time


class Breath:
    """`due` after so many seconds without one."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._until = time.monotonic() + seconds

    @property
    def due(self) -> bool:
        return time.monotonic() > self._until

    async def take(self) -> None:
        await asyncio.sleep(0)
        self._until = time.monotonic() + self._seconds
