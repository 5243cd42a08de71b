"""A run's records through the step, into states and outputs: many at once where they are alike, else one by one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
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
from topologies.framing import key_of, unpack
from topologies.gather import WORTHWHILE, gather, take_in_alike
from topologies.intake import Placement, raw_of, take_in
from topologies.partition import Engine, Partition
from topologies.quota import Quota, quota_key, restored
from topologies.reached import check_reached, record_reached
from topologies.runs import Run
from topologies.states import MAX_LIVE, MAX_LIVE_BYTES, Live, States

E = TypeVar("E", bound=Event)
S = TypeVar("S")

MAX_STATES = 10_000
ATTEMPTS = 2
"""At taking a piece at once: all of it, and all but the first, which may be a stream's beginning."""


@dataclass(slots=True, kw_only=True)
class Counted(States[S]):
    """States of which there may be so many: `quota` counts them, in memory or not."""

    quota: Quota


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

    async def begin(self, number: int, starts: Mapping[str, int]) -> Counted[S]:
        """None yet: each is restored when it is needed. How many there are, a changelog from before this was written
        there does not say: then its snapshots are counted."""
        check_reached(self._engine, self._step.topic, number, starts[self._step.topic.name])
        own = self._engine.recovered(key_of(number, ""))
        reached = 0 if own is None else unpack(own)[0]
        told = self._engine.recovered(quota_key(number))
        if told is not None:
            return Counted(quota=restored(told, reached, self._max_states))
        breath, count, names = Breath(self._breath), 0, 0
        for _, value in self._engine.recovered_of(number):
            names += 1
            count += self._step.holds(unpack(value)[1])
            if breath.due:
                await breath.take()
        return Counted(quota=Quota(self._max_states, count, names, reached, told=not names))

    async def wake(self, partition: Partition[Counted[S]]) -> None:
        """Nothing is due by time."""

    async def __call__(self, partition: Partition[Counted[S]], run: Run) -> None:
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

    async def _breathe(self, breath: Breath, partition: Partition[Counted[S]]) -> None:
        await breath.take()
        await self._deliver.make_room(partition.flight)

    def _by_key(self, partition: Partition[Counted[S]], pieces: Iterable[Sequence[Any]]) -> Iterator[Any]:
        """Of one piece after the other, what is to be applied one by one; None where many have been at once."""
        for piece in pieces:
            yield from self._left_of(partition, piece)
            yield None

    def _in_turn(self, partition: Partition[Counted[S]], pieces: Iterable[Sequence[Any]]) -> Iterator[Any]:
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

    def _left_of(self, partition: Partition[Counted[S]], piece: Sequence[Any]) -> Sequence[Any]:
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

    def _at_once(self, step: AlikeStep[E, S], partition: Partition[Counted[S]], piece: Sequence[Any]) -> bool:
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

    def _one(self, partition: Partition[Counted[S]], raw: Raw) -> None:
        received = take_in(raw, self._codec, self._step.kind)
        refused = received if isinstance(received, Refuse) else self._into_state(partition, received)
        if refused is not None:
            self._deliver(refused, self._step.topic, raw, partition.flight)

    def _into_state(self, partition: Partition[Counted[S]], received: Received[E]) -> Refuse | None:
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

    def _applied(self, states: Counted[S], key: str, live: Live[S], received: Received[E]) -> Outcome:
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

    def _tell(self, partition: Partition[Counted[S]], raw: Raw, key: str, state: S) -> None:
        """Behind an answer, so that it does not wait, and at once, since who asked may look for more."""
        emissions = self._step.settle(state, final=False)
        if emissions:
            self._deliver.emit(emissions, raw.position, key.encode(), partition.flight)

    def _live(self, partition: Partition[Counted[S]], key: str) -> Live[S]:
        recovered = partial(self._engine.recovered, key_of(partition.number, key))
        return partition.memory.use(key, recovered, self._step.restore)

    def settle(self, partition: Partition[Counted[S]], *, final: bool) -> None:
        for key, applied, emissions in partition.memory.settle(self._step, final=final):
            source = Position(self._step.topic.name, partition.number, applied)
            self._deliver.emit(emissions, source, key.encode(), partition.flight)

    def snapshots(self, partition: Partition[Counted[S]]) -> list[tuple[bytes, bytes]]:
        """Of every changed state."""
        states, name = partition.memory, self._step.topic.name
        snapshots = states.snapshots(name, self._step, self._max_live, self._max_bytes, lambda _, __, body: body)
        return [
            *states.quota.snapshot(partition.number, partition.applied[name]),
            *((key_of(partition.number, key), snapshot) for key, snapshot in snapshots.items()),
            record_reached(partition, self._step.topic),
        ]
