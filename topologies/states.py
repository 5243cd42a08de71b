"""A partition's states by key: in memory while they are used, and as snapshots for the changelog."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from pipeline.outcome import Emission
from pipeline.step import Stateful
from topologies.framing import pack, unpack

S = TypeVar("S")
log = logging.getLogger(__name__)

MAX_SNAPSHOT = 7 * 1024 * 1024
"""Bytes of one state; the changelog's records may have 8 MiB."""
MAX_LIVE = 10_000
MAX_LIVE_BYTES = 256 * 1024 * 1024
"""Of the snapshots of a partition's states in memory, which take two or three times as much as they are written. Those
that have not been needed for longest go; their snapshots stay, as they are: of doubles that were learned, compressing
saves a twentieth."""


@dataclass(slots=True)
class Live(Generic[S]):
    """A key's state in memory, and the last offset it has applied. `size` is that of its snapshot, in bytes."""

    state: S
    applied: int
    size: int = 0


@dataclass(slots=True)
class States(Generic[S]):
    """By key: those that are in memory, the last used last, and which of them the changelog does not have as they are.
    `leaving` are snapshots of states that have left the memory and are under way to the changelog: until they are
    there, a state is restored from here. `size` is the sum of the sizes of the live."""

    live: dict[str, Live[S]] = field(default_factory=dict)
    dirty: dict[str, None] = field(default_factory=dict)
    leaving: dict[str, bytes] = field(default_factory=dict)
    size: int = 0

    def use(self, key: str, recovered: Callable[[], bytes | None], restore: Callable[[bytes | None], S]) -> Live[S]:
        """The key's state; where it is not in memory, restored from what is `recovered`, or a new one."""
        live = self.live.pop(key, None)
        if live is None:
            value = self.leaving.get(key) or recovered()
            applied, body = (-1, None) if value is None else unpack(value)
            live = Live(restore(body), applied)
            self.measure(live, 0 if value is None else len(value))
        self.live[key] = live  # the last used
        return live

    def settle(self, step: Stateful[S], *, final: bool) -> Iterator[tuple[str, int, Sequence[Emission]]]:
        """What each changed state still owes the world, if anything: its key, and the offset it has applied."""
        for key in self.dirty:
            live = self.live[key]
            emissions = step.settle(live.state, final=final)
            if emissions:
                yield key, live.applied, emissions

    def snapshots(
        self, name: str, step: Stateful[S], max_live: int, max_bytes: int, frame: Callable[[str, S, bytes], bytes]
    ) -> Mapping[str, bytes]:
        """Of every changed state, each body framed; then those leave the memory that are beyond the bounds. Those of
        the time before are in the changelog by now."""
        written: dict[str, bytes] = {}
        for key in self.dirty:
            live = self.live[key]
            body = step.snapshot(live.state)
            if len(body) > MAX_SNAPSHOT:
                reason = f"its snapshot has {len(body)} bytes and may have {MAX_SNAPSHOT}"
                log.error("%s: the state of %r is given up: %s", name, key, reason)
                live.state = step.forfeit(live.state, reason)
                body = step.snapshot(live.state)
            written[key] = pack(live.applied, frame(key, live.state, body))
            self.measure(live, len(written[key]))
        self.dirty, self.leaving = {}, {}
        self._evict(max_live, max_bytes, written)
        return written

    def measure(self, live: Live[S], size: int) -> None:
        self.size += size - live.size
        live.size = size

    def forget(self, key: str) -> None:
        """Of a key that has no state and is not dirty: nobody fills the memory with names."""
        self.measure(self.live[key], 0)
        del self.live[key]

    def _evict(self, most: int, most_bytes: int, snapshots: Mapping[str, bytes]) -> None:
        """Lets go of those that have not been used for longest, down to the bounds. None may be dirty; what the
        changelog does not have yet is among the snapshots."""
        while self.live and (len(self.live) > most or self.size > most_bytes):
            key = next(iter(self.live))
            self.forget(key)
            if key in snapshots:
                self.leaving[key] = snapshots[key]
