"""The mails of one partition that were read and are not done: which is next, and how far everything is done."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from hashlib import blake2b

from pipeline.kafka.record import Record

REMEMBERED = 10_000
"""Mails, the latest, by which repetitions are known."""


@dataclass(slots=True)
class Waiting:
    """`due` is a time of the event loop; `tries` how often the server was asked to take it; `mailbox` whose it is, once
    it was looked at."""

    record: Record
    due: float
    tries: int = 0
    mailbox: str = ""


@dataclass(slots=True)
class Postbag:
    """`flowing`: whether the partition gives its records now; None until it is begun."""

    flowing: bool | None = None
    _following: int | None = None
    _waiting: dict[int, Waiting] = field(default_factory=dict)
    _known: dict[bytes, None] = field(default_factory=dict)

    @property
    def waiting(self) -> Collection[Waiting]:
        return self._waiting.values()

    @property
    def settled(self) -> int | None:
        """The offset before which nothing is left to do; None before the first record."""
        return min(self._waiting, default=self._following)

    def put(self, record: Record, due: float) -> None:
        """Passes over what is, to the byte, a mail that was read before: a worker that goes on where another crashed
        asks again for what that one had asked for, and no two letters are sealed to the same bytes."""
        if record.offset not in self._waiting and not self._is_repeated(record):
            self._waiting[record.offset] = Waiting(record, due)
        self._following = record.offset + 1

    def read_up_to(self, end: int) -> None:
        """There is nothing before that offset that was not put: the log may end with what is no record."""
        self._following = max(end, self._following or 0)

    def _is_repeated(self, record: Record) -> bool:
        if record.value is None:
            return False
        digest = blake2b(record.value, digest_size=16).digest()
        if digest in self._known:
            return True
        self._known[digest] = None
        if len(self._known) > REMEMBERED:
            del self._known[next(iter(self._known))]
        return False

    def done(self, offset: int) -> None:
        self._waiting.pop(offset, None)
