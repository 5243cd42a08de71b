"""Which deliveries are due, and which of these may start: so many at a time, so many of one owner and of one webhook,
in turn."""

from __future__ import annotations

import heapq
from collections import Counter, OrderedDict
from collections.abc import Collection

Ready = OrderedDict[str, OrderedDict[str, None]]
"""Deliveries that are due, by webhook."""


class Agenda:
    """Pure. A webhook whose receiver is slow holds `each` of the `total` places, and an owner of many such `each_owner`
    (`total` where it is None); the others have the rest. A webhook whose owner is not known has itself for one."""

    def __init__(self, total: int, each: int, each_owner: int | None = None) -> None:
        self._total, self._each, self._each_owner = total, each, total if each_owner is None else each_owner
        self._due: dict[str, tuple[int, str, str]] = {}
        self._waiting: list[tuple[int, str]] = []
        self._ready: OrderedDict[str, Ready] = OrderedDict()
        self._under_way: dict[str, tuple[str, str]] = {}
        self._busy: Counter[str] = Counter()
        self._busy_owners: Counter[str] = Counter()

    @property
    def under_way(self) -> Collection[str]:
        return self._under_way.keys()

    def put(self, delivery: str, webhook: str, due: int, owner: str | None = None) -> None:
        """Once for each delivery: what was said of it before is forgotten. One that is under way is let alone."""
        place = due, webhook, owner or webhook
        if delivery in self._under_way or self._due.get(delivery) == place:
            return
        self.drop(delivery)
        self._due[delivery] = place
        heapq.heappush(self._waiting, (due, delivery))
        if len(self._waiting) > 64 + 2 * len(self._due):  # most of it is of deliveries that were put anew or dropped
            self._waiting = sorted((place[0], it) for it, place in self._due.items() if not self._is_ready(it))

    def drop(self, delivery: str) -> None:
        _, webhook, owner = self._due.pop(delivery, (0, "", ""))
        hooks = self._ready.get(owner)
        if hooks is None or delivery not in hooks.get(webhook, ()):
            return
        del hooks[webhook][delivery]
        if not hooks[webhook]:
            del hooks[webhook]
        if not hooks:
            del self._ready[owner]

    def take(self, now: int) -> list[str]:
        """Those that start now. Each is under way until it is `done`."""
        while self._waiting and self._waiting[0][0] <= now:
            due, delivery = heapq.heappop(self._waiting)
            known, webhook, owner = self._due.get(delivery, (None, "", ""))
            if known == due:
                self._ready.setdefault(owner, OrderedDict()).setdefault(webhook, OrderedDict())[delivery] = None
        taken: list[str] = []
        passed = 0
        while passed < len(self._ready) and len(self._under_way) < self._total:
            owner, hooks = self._ready.popitem(last=False)
            delivery = self._start(owner, hooks)
            passed = 0 if delivery else passed + 1
            if delivery:
                taken.append(delivery)
            if hooks:
                self._ready[owner] = hooks
        return taken

    def done(self, delivery: str) -> None:
        webhook, owner = self._under_way.pop(delivery)
        self._busy -= Counter([webhook])
        self._busy_owners -= Counter([owner])

    def next_due(self) -> int | None:
        """When `take` may give more, though nothing else changes."""
        while self._waiting:
            due, delivery = self._waiting[0]
            if self._due.get(delivery, (None, "", ""))[0] == due:
                return due
            heapq.heappop(self._waiting)
        return None

    def _start(self, owner: str, hooks: Ready) -> str:
        """The owner's next delivery, now under way; empty where none may start."""
        if self._busy_owners[owner] >= self._each_owner:
            return ""
        for _ in range(len(hooks)):
            webhook, ready = hooks.popitem(last=False)
            found = ""
            if self._busy[webhook] < self._each:
                found, _ = ready.popitem(last=False)
                del self._due[found]
                self._under_way[found] = webhook, owner
                self._busy[webhook] += 1
                self._busy_owners[owner] += 1
            if ready:
                hooks[webhook] = ready
            if found:
                return found
        return ""

    def _is_ready(self, delivery: str) -> bool:
        _, webhook, owner = self._due[delivery]
        hooks = self._ready.get(owner)
        return hooks is not None and delivery in hooks.get(webhook, ())
