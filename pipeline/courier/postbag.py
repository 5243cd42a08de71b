"""The mails of one partition that were read and are not done: which is next, and how far everything is done."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field

from pipeline.kafka.record import Record


@dataclass(slots=True)
class Waiting:
    """`due` is a time of the event loop; `tries` how often the server was asked to take it."""

    record: Record
    due: float
    tries: int = 0


@dataclass(slots=True)
class Postbag:
    """`flowing`: whether the partition gives its records now; None until it is begun."""

    flowing: bool | None = None
    _following: int | None = None
    _waiting: dict[int, Waiting] = field(default_factory=dict)

    @property
    def waiting(self) -> Collection[Waiting]:
        return self._waiting.values()

    @property
    def settled(self) -> int | None:
        """The offset before which nothing is left to do; None before the first record."""
        return min(self._waiting, default=self._following)

    def put(self, record: Record, due: float) -> None:
        if record.offset not in self._waiting:
            self._waiting[record.offset] = Waiting(record, due)
        self._following = record.offset + 1

    def done(self, offset: int) -> None:
        self._waiting.pop(offset, None)
