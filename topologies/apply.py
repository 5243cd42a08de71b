"""A run's records through the step, into states and outputs: many at once where they are alike, else one by one."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from heapq import heapify, heappop, heapreplace
from typing import Any, Generic, TypeVar

from pipeline.outcome import Outcome, Refuse
from pipeline.received import Raw, Received
from pipeline.step import AlikeStep, Step
from schemas.codec import Codec
from schemas.event import Event
from schemas.position import Position
from schemas.topic import Topic
from topologies.breath import Breath
from topologies.deliver import Deliver
from topologies.framing import key_of, pack, unpack
from topologies.gather import WORTHWHILE, gather, take_in_alike
from topologies.intake import Placement, raw_of, take_in
from topologies.partition import Engine, Partition
from topologies.quota import Quota, quota_key, restored
from topologies.reached import check_reached, record_reached
from topologies.runs import Run

E = TypeVar("E", bound=Event)
S = TypeVar("S")
log = logging.getLogger(__name__)

MAX_SNAPSHOT = 7 * 1024 * 1024
"""Bytes of one state; the changelog's records may have 8 MiB."""
MAX_STATES = 10_000
ATTEMPTS = 2
"""At taking a piece at once: all of it, and all but the first, which may be a stream's beginning."""
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
    there, a state is restored from here. `size` is the sum of the sizes of the live. `quota` counts the states, in
    memory or not."""

    quota: Quota
    live: dict[str, Live[S]] = field(default_factory=dict)
    dirty: dict[str, None] = field(default_factory=dict)
    leaving: dict[str, bytes] = field(default_factory=dict)
    size: int = 0

    def measure(self, live: Live[S], size: int) -> None:
        self.size += size - live.size
        live.size = size

    def forget(self, key: str) -> None:
        """Of a key that has no state and is not dirty: nobody fills the memory with names."""
        self.measure(self.live[key], 0)
        del self.live[key]

    def evict(self, most: int, most_bytes: int, snapshots: Mapping[str, bytes]) -> None:
        """Lets go of those that have not been used for longest, down to the bounds. None may be dirty; what the
        changelog does not have yet is among the snapshots."""
        while self.live and (len(self.live) > most or self.size > most_bytes):
            key = next(iter(self.live))
            self.measure(self.live[key], 0)
            del self.live[key]
            if key in snapshots:
                self.leaving[key] = snapshots[key]


class Apply(Generic[E, S]):
    """Applies runs to a partition's states, and launches what comes of it. After `breath` seconds at most it lets the
    rest of the process run."""

    eager = False

    def __init__(
        self,
        step: Step[E, S],
        engine: Engine,
        deliver: Deliver,
        codec: Codec,
        placement: Placement,
        breath: float = 0.1,
        max_live: int = MAX_LIVE,
        max_bytes: int = MAX_LIVE_BYTES,
        max_states: int = MAX_STATES,
    ) -> None:
        self._step, self._engine, self._deliver = step, engine, deliver
        self._codec, self._placement, self._breath = codec, placement, breath
        self._max_live, self._max_bytes, self._max_states = max_live, max_bytes, max_states
        self._alike = step if isinstance(step, AlikeStep) else None

    @property
    def topics(self) -> Sequence[Topic]:
        return (self._step.topic,)

    async def begin(self, number: int, starts: Mapping[str, int]) -> States[S]:
        """None yet: each is restored when it is needed. How many there are, a changelog from before this was written
        there does not say: then its snapshots are counted."""
        check_reached(self._engine, self._step.topic, number, starts[self._step.topic.name])
        own = self._engine.recovered(key_of(number, ""))
        reached = 0 if own is None else unpack(own)[0]
        told = self._engine.recovered(quota_key(number))
        if told is not None:
            return States(restored(told, reached, self._max_states))
        breath, count, names = Breath(self._breath), 0, 0
        for _, value in self._engine.recovered_of(number):
            names += 1
            count += self._step.holds(unpack(value)[1])
            if breath.due:
                await breath.take()
        return States(Quota(self._max_states, count, names, reached, told=not names))

    async def wake(self, partition: Partition[States[S]]) -> None:
        """Nothing is due by time."""

    async def __call__(self, partition: Partition[States[S]], run: Run) -> None:
        breath = Breath(self._breath)
        pieces = (run.records,) if self._alike is None else gather(run.records)
        tight = partition.memory.quota.is_tight(len({record.key for record in run.records}))
        for record in self._in_turn(partition, pieces) if tight else self._by_key(partition, pieces):
            if record is not None:
                self._one(partition, raw_of(record))
            if breath.due:
                await self._breathe(breath, partition)
        await self._deliver.make_room(partition.flight)
        partition.has_applied(run)

    async def _breathe(self, breath: Breath, partition: Partition[States[S]]) -> None:
        await breath.take()
        await self._deliver.make_room(partition.flight)

    def _by_key(self, partition: Partition[States[S]], pieces: Iterable[Sequence[Any]]) -> Iterator[Any]:
        """Of one piece after the other, what is to be applied one by one; None where many have been at once."""
        for piece in pieces:
            yield from self._left_of(partition, piece)
            yield None

    def _in_turn(self, partition: Partition[States[S]], pieces: Iterable[Sequence[Any]]) -> Iterator[Any]:
        """The same, in the order of the log: which key's state begins first decides whether another's may. Records that
        are applied at once, where the first of them stands, are of a state that exists, and begin none."""
        turns = [(piece[0].offset, 0, piece) for piece in pieces if piece]
        heapify(turns)
        while turns:
            _, at, piece = turns[0]
            if self._alike is not None and at < ATTEMPTS and self._at_once(self._alike, partition, piece[at:]):
                heappop(turns)
                yield None
                continue
            yield piece[at]
            if at + 1 < len(piece):
                heapreplace(turns, (piece[at + 1].offset, at + 1, piece))
            else:
                heappop(turns)

    def _left_of(self, partition: Partition[States[S]], piece: Sequence[Any]) -> Sequence[Any]:
        """What of the piece is to be applied one by one: all else has been. If not all can be taken at once, then
        perhaps all but the first: it may be a stream's beginning."""
        if self._alike is None:
            return piece
        if self._at_once(self._alike, partition, piece):
            return ()
        if len(piece) > WORTHWHILE:
            self._one(partition, raw_of(piece[0]))
            return () if self._at_once(self._alike, partition, piece[1:]) else piece[1:]
        return piece

    def _at_once(self, step: AlikeStep[E, S], partition: Partition[States[S]], piece: Sequence[Any]) -> bool:
        """Whether the records, all of one key, could be applied together."""
        received = take_in_alike(piece, step, self._codec)
        if received is None:
            return False
        key, raw = step.key(received.alike.first), raw_of(piece[0])
        if isinstance(key, Refuse) or raw.key is None or self._placement.check(raw, key) is not None:
            return False
        live = self._live(partition, key)
        if raw.position.offset <= live.applied:
            return False
        outcome = step.apply_alike(received, live.state)
        if outcome is None:
            return False
        live.applied = int(received.offsets[-1])
        partition.memory.dirty[key] = None
        self._deliver.each(outcome, received, step.topic, raw.key, partition.flight)
        return True

    def _one(self, partition: Partition[States[S]], raw: Raw) -> None:
        received = take_in(raw, self._codec, self._step.kind)
        refused = received if isinstance(received, Refuse) else self._into_state(partition, received)
        if refused is not None:
            self._deliver(refused, self._step.topic, raw, partition.flight)

    def _into_state(self, partition: Partition[States[S]], received: Received[E]) -> Refuse | None:
        """Applies and delivers, unless the state has applied it already; or why no state may see it."""
        key, raw = self._step.key(received.event), received.raw
        if isinstance(key, Refuse):
            return key
        misplaced = self._placement.check(raw, key)
        if misplaced is not None:
            return misplaced
        live = self._live(partition, key)
        if raw.position.offset > live.applied:
            outcome = self._applied(partition.memory, key, live, received)
            self._deliver(outcome, self._step.topic, raw, partition.flight)
            if raw.reply_partition is not None:
                self._tell(partition, raw, key, live.state)
        return None

    def _applied(self, states: States[S], key: str, live: Live[S], received: Received[E]) -> Outcome:
        """A record after which there is no state, where there was none, leaves nothing behind."""
        offset, new, existed = received.position.offset, live.applied < 0, self._step.exists(live.state)
        room = existed or states.quota.admits(offset, new=new)
        outcome = self._step.apply(received, live.state, room)
        exists = self._step.exists(live.state)
        if exists and not existed:
            states.quota.begun(offset, new=new)
        elif existed and not exists:
            states.quota.ended(offset)
        if exists or existed:
            live.applied = offset
            states.dirty[key] = None
        elif key not in states.dirty:
            states.forget(key)
        return outcome

    def _tell(self, partition: Partition[States[S]], raw: Raw, key: str, state: S) -> None:
        """Behind an answer, so that it does not wait, and at once, since who asked may look for more."""
        emissions = self._step.settle(state, final=False)
        if emissions:
            self._deliver.emit(emissions, raw.position, key.encode(), partition.flight)

    def _live(self, partition: Partition[States[S]], key: str) -> Live[S]:
        states = partition.memory
        live = states.live.pop(key, None)
        if live is None:
            value = states.leaving.get(key) or self._engine.recovered(key_of(partition.number, key))
            applied, body = (-1, None) if value is None else unpack(value)
            live = Live(self._step.restore(body), applied)
            states.measure(live, 0 if value is None else len(value))
        states.live[key] = live  # the last used
        return live

    def settle(self, partition: Partition[States[S]], *, final: bool) -> None:
        for key in partition.memory.dirty:
            live = partition.memory.live[key]
            emissions = self._step.settle(live.state, final=final)
            if emissions:
                source = Position(self._step.topic.name, partition.number, live.applied)
                self._deliver.emit(emissions, source, key.encode(), partition.flight)

    def snapshots(self, partition: Partition[States[S]]) -> list[tuple[bytes, bytes]]:
        """Of every changed state. Those of the time before are in the changelog by now."""
        states, snapshots = partition.memory, dict[str, bytes]()
        for key in states.dirty:
            live = states.live[key]
            body = self._step.snapshot(live.state)
            if len(body) > MAX_SNAPSHOT:
                reason = f"its snapshot has {len(body)} bytes and may have {MAX_SNAPSHOT}"
                log.error("%s: the state of %r is given up: %s", self._step.topic.name, key, reason)
                live.state = self._step.forfeit(live.state, reason)
                body = self._step.snapshot(live.state)
            snapshots[key] = pack(live.applied, body)
            states.measure(live, len(snapshots[key]))
        states.dirty, states.leaving = {}, {}
        states.evict(self._max_live, self._max_bytes, snapshots)
        return [
            *states.quota.snapshot(partition.number, partition.applied[self._step.topic.name]),
            *((key_of(partition.number, key), snapshot) for key, snapshot in snapshots.items()),
            record_reached(partition, self._step.topic),
        ]
