"""Which deliveries are due, and which of these may start: so many at a time, so many of one webhook, in turn."""

from __future__ import annotations

import heapq
from collections import Counter, OrderedDict
from collections.abc import Collection


class Agenda:
    """Pure. A webhook whose receiver is slow holds `each` of the `total` places; the others have the rest."""

    def __init__(self, total: int, each: int) -> None:
        self._total, self._each = total, each
        self._due: dict[str, tuple[int, str]] = {}
        self._waiting: list[tuple[int, str]] = []
        self._ready: OrderedDict[str, OrderedDict[str, None]] = OrderedDict()
        self._under_way: dict[str, str] = {}
        self._busy: Counter[str] = Counter()

    @property
    def under_way(self) -> Collection[str]:
        return self._under_way.keys()

    def put(self, delivery: str, webhook: str, due: int) -> None:
        """Once for each delivery: what was said of it before is forgotten. One that is under way is let alone."""
        if delivery in self._under_way or self._due.get(delivery) == (due, webhook):
            return
        self.drop(delivery)
        self._due[delivery] = due, webhook
        heapq.heappush(self._waiting, (due, delivery))
        if len(self._waiting) > 64 + 2 * len(self._due):  # most of it is of deliveries that were put anew or dropped
            self._waiting = sorted((due, it) for it, (due, hook) in self._due.items() if not self._is_ready(it, hook))

    def drop(self, delivery: str) -> None:
        _, webhook = self._due.pop(delivery, (0, ""))
        ready = self._ready.get(webhook, OrderedDict())
        ready.pop(delivery, None)
        if not ready:
            self._ready.pop(webhook, None)

    def take(self, now: int) -> list[str]:
        """Those that start now. Each is under way until it is `done`."""
        while self._waiting and self._waiting[0][0] <= now:
            due, delivery = heapq.heappop(self._waiting)
            known, webhook = self._due.get(delivery, (None, ""))
            if known == due:
                self._ready.setdefault(webhook, OrderedDict())[delivery] = None
        taken: list[str] = []
        passed = 0
        while passed < len(self._ready) and len(self._under_way) < self._total:
            webhook, ready = self._ready.popitem(last=False)
            if self._busy[webhook] < self._each:
                delivery, _ = ready.popitem(last=False)
                del self._due[delivery]
                self._under_way[delivery] = webhook
                self._busy[webhook] += 1
                taken.append(delivery)
                passed = 0
            else:
                passed += 1
            if ready:
                self._ready[webhook] = ready
        return taken

    def done(self, delivery: str) -> None:
        webhook = self._under_way.pop(delivery)
        self._busy -= Counter([webhook])

    def next_due(self) -> int | None:
        """When `take` may give more, though nothing else changes."""
        while self._waiting:
            due, delivery = self._waiting[0]
            if self._due.get(delivery, (None, ""))[0] == due:
                return due
            heapq.heappop(self._waiting)
        return None

    def _is_ready(self, delivery: str, webhook: str) -> bool:
        return delivery in self._ready.get(webhook, ())
