"""Records that none of our processes wrote: how many this process has met, and the alarm that it raises for them."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from pipeline import announce
from pipeline.clock import Clock, now
from schemas.position import Position

log = logging.getLogger("thalweg.forgery")

EVERY_SECONDS = 1.0
"""Between two alarms: a flood of forgeries must not be one of the log, too. Each says how many there were."""


class Forgeries:
    """Of one process, since its start. `last_at` is in microseconds since the epoch, None while there was none."""

    def __init__(self, clock: Clock = now, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._clock, self._monotonic = clock, monotonic
        self._told_at = float("-inf")
        self._untold = 0
        self.count = 0
        self.last_at: int | None = None

    def note(self, position: Position, reason: str, detail: str) -> None:
        """One more, and an ERROR line unless there was one just now."""
        self.count += 1
        self._untold += 1
        self.last_at = self._clock()
        if self._monotonic() - self._told_at >= EVERY_SECONDS:
            log.error(
                "FORGED: %s is not believed (%s), %d since the last alarm: %s", position, reason, self._untold, detail
            )
            announce.forged(self.count)
            self._told_at, self._untold = self._monotonic(), 0
