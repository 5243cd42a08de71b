"""What waits for one subscriber, and what happens when it takes too slowly."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Hashable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from ingest_api.live.message import Frame, Outgoing


class Policy(StrEnum):
    """What gives way when a subscriber is slower than its messages."""

    CONFLATE = "conflate"  # the newest message of each key; facts without a key as in drop_oldest
    DROP_OLDEST = "drop_oldest"  # the oldest messages, told by a gap
    DISCONNECT = "disconnect"  # the subscriber


@dataclass(frozen=True, slots=True)
class Bounds:
    messages: int
    bytes: int


@dataclass(slots=True)
class Lost:
    """Messages that were dropped: how many, between which offsets of each place, and a cursor to before the first."""

    cursor: str
    count: int = 0
    ranges: dict[int, tuple[int, int, int]] = field(default_factory=dict)
    """place -> (first offset, one past the last, how many messages)."""

    def add(self, first: Frame, last: Frame) -> None:
        self.count += 1
        begin, end, count = self.ranges.get(first.place, (first.offset, last.offset + 1, 0))
        self.ranges[first.place] = (min(begin, first.offset), max(end, last.offset + 1), count + 1)


class Backlog(Protocol):
    """Bounded; `offer` never waits and never fails."""

    conflated: int
    """Messages that a newer one of the same key replaced."""
    dropped: int
    """Messages lost to the bounds, all reported."""

    def __len__(self) -> int: ...

    @property
    def bytes(self) -> int: ...

    @property
    def overrun(self) -> bool:
        """Whether the subscriber must go."""

    def offer(self, frame: Frame) -> None: ...

    def lost(self) -> Lost | None:
        """What was dropped since the last call; it stood before everything that still waits."""

    def take(self, bytes: int) -> list[Outgoing]:
        """The oldest messages, in order, until at least `bytes` are taken."""


class Fifo:
    """Every message in order; the oldest give way, or the subscriber."""

    def __init__(self, bounds: Bounds, *, disconnects: bool = False) -> None:
        self._bounds, self._disconnects = bounds, disconnects
        self._frames: deque[Frame] = deque()
        self._lost: Lost | None = None
        self.bytes = self.conflated = self.dropped = 0
        self.overrun = False

    def __len__(self) -> int:
        return len(self._frames)

    def offer(self, frame: Frame) -> None:
        if self.overrun:
            return
        self._frames.append(frame)
        self.bytes += len(frame.body)
        while len(self._frames) > self._bounds.messages or (self.bytes > self._bounds.bytes and len(self._frames) > 1):
            if self._disconnects:
                self.overrun = True
                self.dropped += len(self._frames)
                self._frames.clear()
                self.bytes = 0
                return
            self._drop(self._frames.popleft())

    def lost(self) -> Lost | None:
        lost, self._lost = self._lost, None
        return lost

    def take(self, bytes: int) -> list[Outgoing]:
        taken: list[Outgoing] = []
        room = bytes
        while self._frames and room > 0:
            frame = self._frames.popleft()
            self.bytes -= len(frame.body)
            room -= len(frame.body)
            taken.append(frame.outgoing)
        return taken

    def _drop(self, frame: Frame) -> None:
        self.bytes -= len(frame.body)
        self.dropped += 1
        self._lost = self._lost or Lost(frame.cursor_before())
        self._lost.add(frame, frame)


@dataclass(slots=True)
class _Slot:
    """A place in the queue: the message that took it, and the newest that stands there now."""

    first: Frame
    newest: Frame


class Conflated:
    """The newest message of each key, at the place in the queue where the key first waited.

    The place is kept because a key that moved to the end at each message would starve the others. Its cursor is that
    of the message that took the place: a subscriber that resumes there is told what came between.
    """

    overrun = False

    def __init__(self, bounds: Bounds) -> None:
        self._bounds = bounds
        self._slots: OrderedDict[Hashable, _Slot] = OrderedDict()
        self._lost: Lost | None = None
        self.bytes = self.conflated = self.dropped = 0

    def __len__(self) -> int:
        return len(self._slots)

    def offer(self, frame: Frame) -> None:
        message = frame.message
        if message.ends_stream:
            self._forget(message.stream)
        key: Hashable = (frame.kind, message.key) if message.key is not None else (frame.vector, frame.index)
        slot = self._slots.get(key)
        self.bytes += len(frame.body)
        if slot is not None:
            self.bytes -= len(slot.newest.body)
            slot.newest = frame
            self.conflated += 1
        else:
            self._slots[key] = _Slot(frame, frame)
        while len(self._slots) > self._bounds.messages or (self.bytes > self._bounds.bytes and len(self._slots) > 1):
            self._drop(self._slots.popitem(last=False)[1])

    def lost(self) -> Lost | None:
        lost, self._lost = self._lost, None
        return lost

    def take(self, bytes: int) -> list[Outgoing]:
        taken: list[Outgoing] = []
        room = bytes
        while self._slots and room > 0:
            _, slot = self._slots.popitem(last=False)
            self.bytes -= len(slot.newest.body)
            room -= len(slot.newest.body)
            same = slot.first is slot.newest
            taken.append(slot.newest.outgoing if same else slot.newest.outgoing_as_of(slot.first))
        return taken

    def _drop(self, slot: _Slot) -> None:
        self.bytes -= len(slot.newest.body)
        self.dropped += 1
        self._lost = self._lost or Lost(slot.first.cursor_before())
        self._lost.add(slot.first, slot.newest)

    def _forget(self, stream: str) -> None:
        """State told of a stream before its end must neither follow the end nor hide in a place before it."""
        ended = [
            key
            for key, slot in self._slots.items()
            if slot.newest.message.stream == stream and slot.newest.message.key is not None
        ]
        for key in ended:
            self.bytes -= len(self._slots.pop(key).newest.body)
        self.conflated += len(ended)


def backlog_for(policy: Policy, bounds: Bounds) -> Backlog:
    if policy is Policy.CONFLATE:
        return Conflated(bounds)
    return Fifo(bounds, disconnects=policy is Policy.DISCONNECT)
