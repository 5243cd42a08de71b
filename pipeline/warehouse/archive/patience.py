"""Waiting for the warehouse: longer each time, said once when it goes and once when it is back."""

from __future__ import annotations

import logging

from pipeline.errors import Unavailable

log = logging.getLogger(__name__)

SHORTEST_S = 0.25
LONGEST_S = 10.0


class Patience:
    """All partitions share one: there is one warehouse."""

    def __init__(self) -> None:
        self._pause = SHORTEST_S
        self._until = 0.0
        self._lost_at: float | None = None

    def over(self, now: float) -> bool:
        """Whether it is time to try."""
        return now >= self._until

    def lost(self, now: float, error: Unavailable) -> None:
        """A try has failed. Several that were under way together count as one."""
        if self._lost_at is None:
            self._lost_at = now
            log.warning("%s; nothing is lost, the log waits, and so do we", error)
        if now >= self._until:
            self._until = now + self._pause
            self._pause = min(self._pause * 2, LONGEST_S)

    def found(self, now: float) -> None:
        """A try has succeeded."""
        if self._lost_at is not None:
            log.info("the warehouse answers again, after %.1f s", now - self._lost_at)
        self._lost_at, self._pause, self._until = None, SHORTEST_S, 0.0
