"""When keys are due, in memory: what each state says of itself stands in its snapshot."""

from __future__ import annotations

import heapq
from collections.abc import Iterator


class Timers:
    """Of each key at most one time, in microseconds since the epoch."""

    def __init__(self) -> None:
        self._due: dict[str, int] = {}
        self._heap: list[tuple[int, str]] = []
        """Also what has been set anew since: `_due` tells."""

    def set(self, key: str, due: int | None) -> None:
        """None: the key is not due at all."""
        if due is None:
            self._due.pop(key, None)
        elif self._due.get(key) != due:
            self._due[key] = due
            heapq.heappush(self._heap, (due, key))

    @property
    def earliest(self) -> int | None:
        while self._heap:
            due, key = self._heap[0]
            if self._due.get(key) == due:
                return due
            heapq.heappop(self._heap)
        return None

    def until(self, at: int) -> Iterator[str]:
        """Takes out the keys that are due at `at` or before, the earliest first, and of one time by name. One that is
        set again meanwhile is not given twice."""
        due: list[tuple[int, str]] = []
        while (earliest := self.earliest) is not None and earliest <= at:
            due.append(heapq.heappop(self._heap))
            del self._due[due[-1][1]]
        return (key for _, key in due)
