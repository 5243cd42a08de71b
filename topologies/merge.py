"""Several inputs and time into states: each piece of work is written to the log, then applied (`sequence.py`)."""

from __future__ import annotations

import json
import logging
import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Generic, TypeVar

from pipeline.clock import Clock
from pipeline.errors import Broken
from pipeline.outcome import Refuse
from pipeline.received import Punctuation, Raw, Received
from pipeline.step import Input, Processor
from schemas.codec import Codec
from schemas.position import Position
from schemas.state import Sequenced
from schemas.topic import Topic
from topologies.breath import Breath
from topologies.deliver import Deliver
from topologies.framing import key_of, pack, unpack
from topologies.intake import Placement, raw_of, take_in
from topologies.partition import Engine, Partition
from topologies.runs import Run
from topologies.sequence import Order, SequenceLog
from topologies.states import MAX_LIVE, MAX_LIVE_BYTES, Live, States
from topologies.timers import Timers

S = TypeVar("S")
log = logging.getLogger(__name__)

_DUE = struct.Struct(">q")
NEVER = -1


@dataclass(slots=True)
class Merged(Generic[S]):
    """A partition's states, the order of its inputs, and what has come but is not its turn yet. `applied`: by topic,
    up to which offset; `next_entry`: up to which of the order's; `at`: the last entry's time. `touched` are the keys
    that the entry at hand has changed."""

    order: Order
    applied: dict[str, int]
    next_entry: int
    at: int
    states: States[S] = field(default_factory=lambda: States())
    timers: Timers = field(default_factory=Timers)
    waiting: list[Run] = field(default_factory=list)
    touched: set[str] = field(default_factory=set)

    def take_until(self, topic: str, ends: int) -> Iterator[Any]:
        """Takes out the records of a topic that lie before the offset `ends`."""
        kept, taken = list[Run](), list[Run]()
        for run in self.waiting:
            if run.topic != topic or run.begins >= ends:
                kept.append(run)
            elif run.ends <= ends:
                taken.append(run)
            else:
                before = [record for record in run.records if record.offset < ends]
                after = run.records[len(before) :]
                taken.append(Run(topic, run.epoch, run.start, run.begins, before, ends))
                kept.append(Run(topic, run.epoch, run.start, ends, after, run.ends))
        self.waiting = kept
        return (record for run in taken for record in run.records)


class Merge(Generic[S]):
    """The work of a state with several inputs or with timers (`partition.Work`)."""

    eager = True

    def __init__(
        self,
        processor: Processor[S],
        engine: Engine,
        deliver: Deliver,
        codec: Codec,
        placement: Placement,
        sequence: SequenceLog,
        clock: Clock,
        breath: float = 0.1,
        max_live: int = MAX_LIVE,
        max_bytes: int = MAX_LIVE_BYTES,
    ) -> None:
        self._processor, self._engine, self._deliver = processor, engine, deliver
        self._codec, self._placement, self._sequence = codec, placement, sequence
        self._clock, self._breath = clock, breath
        self._max_live, self._max_bytes = max_live, max_bytes
        self._topics = {topic.name: topic for topic in processor.state.inputs}

    @property
    def topics(self) -> Sequence[Topic]:
        return self._processor.state.inputs

    async def begin(self, number: int, starts: Mapping[str, int]) -> Merged[S]:
        """Reads what is written of the order behind the checkpoint, and when every key is due. Raises Broken where the
        state is behind the commit."""
        next_entry, applied, at = _reached(self._engine.recovered(key_of(number, "")))
        for topic, start in starts.items():
            if applied.get(topic, start) < start:
                raise Broken(f"{topic}-{number}: the state has reached {applied[topic]} but {start} is committed")
        order = await Order.read(self._sequence, number, next_entry)
        merged: Merged[S] = Merged(order, dict(starts) | applied, next_entry, at)
        breath, keys = Breath(self._breath), 0
        for key, value in self._engine.recovered_of(number):
            keys += 1
            merged.timers.set(key, _due_of(unpack(value)[1]))
            if breath.due:
                await breath.take()
        log.info(
            "%s-%d: %d keys; the order is applied up to its entry %d, and %d are written behind it",
            *(self._processor.state.name, number, keys, next_entry, len(order.ahead)),
        )
        return merged

    async def __call__(self, partition: Partition[Merged[S]], run: Run) -> None:
        if run.ends > partition.memory.applied[run.topic]:
            partition.memory.waiting.append(run)
        await self._advance(partition)

    async def wake(self, partition: Partition[Merged[S]]) -> None:
        await self._advance(partition)
        merged = partition.memory
        due, now = merged.timers.earliest, max(self._clock(), merged.at)
        if not merged.order.ahead and due is not None and due <= now:
            entry = Sequenced(None, 0, now)
            await self._do(partition, await merged.order.append(entry), entry)

    async def _advance(self, partition: Partition[Merged[S]]) -> None:
        """What others have written of the order first, as far as its records have come; then what waits, as it came."""
        merged = partition.memory
        partition.applied |= merged.applied
        while merged.order.ahead:
            offset, entry = merged.order.ahead[0]
            if entry.topic in self._topics and partition.due.get(entry.topic, 0) < entry.ends:
                return
            merged.order.ahead.popleft()
            await self._do(partition, offset, entry)
        while merged.waiting:
            entry = Sequenced(merged.waiting[0].topic, merged.waiting[0].ends, max(self._clock(), merged.at))
            await self._do(partition, await merged.order.append(entry), entry)

    async def _do(self, partition: Partition[Merged[S]], offset: int, entry: Sequenced) -> None:
        merged, breath = partition.memory, Breath(self._breath)
        merged.touched.clear()
        if entry.topic is None:
            for key in merged.timers.until(entry.at):
                self._punctuate(partition, offset, entry.at, key)
                await self._yield(breath, partition)
        elif entry.topic in self._topics:
            done = merged.applied.get(entry.topic, 0)
            for record in merged.take_until(entry.topic, entry.ends):
                if record.offset >= done:
                    self._one(partition, offset, entry.topic, raw_of(record))
                    partition.records += 1
                    await self._yield(breath, partition)
            merged.applied[entry.topic] = partition.applied[entry.topic] = max(done, entry.ends)
        merged.next_entry, merged.at = offset + 1, max(merged.at, entry.at)
        partition.dirty = True
        await self._deliver.make_room(partition.flight)

    async def _yield(self, breath: Breath, partition: Partition[Merged[S]]) -> None:
        if breath.due:
            await breath.take()
            await self._deliver.make_room(partition.flight)

    def _punctuate(self, partition: Partition[Merged[S]], offset: int, at: int, key: str) -> None:
        live = self._live(partition, key)
        if offset > live.applied:
            source = Position(self._processor.state.sequence.name, partition.number, offset)
            emissions = self._processor.punctuate(Punctuation(source, at, key), live.state)
            live.applied = offset
            partition.memory.states.dirty[key] = None
            self._deliver.emit(emissions, source, key.encode(), partition.flight)
        partition.memory.timers.set(key, self._processor.due(live.state))

    def _one(self, partition: Partition[Merged[S]], offset: int, topic: str, raw: Raw) -> None:
        handler = self._processor.inputs[topic]
        received = take_in(raw, self._codec, handler.kind)
        refused = received if isinstance(received, Refuse) else self._into_state(partition, offset, handler, received)
        if refused is not None:
            self._deliver(refused, self._topics[topic], raw, partition.flight)

    def _into_state(
        self, partition: Partition[Merged[S]], offset: int, handler: Input[Any, S], received: Received[Any]
    ) -> Refuse | None:
        """Applies and delivers, unless the state has applied the entry already; or why no state may see it."""
        key, raw = handler.key(received.event), received.raw
        if isinstance(key, Refuse):
            return key
        misplaced = self._placement.check(raw, key)
        if misplaced is not None:
            return misplaced
        live, merged = self._live(partition, key), partition.memory
        if offset <= live.applied and key not in merged.touched:
            return None
        outcome = handler.apply(received, live.state)
        live.applied = offset
        merged.touched.add(key)
        merged.states.dirty[key] = None
        merged.timers.set(key, self._processor.due(live.state))
        self._deliver(outcome, self._topics[raw.position.topic], raw, partition.flight)
        if raw.reply_partition is not None:
            emissions = self._processor.settle(live.state, final=False)
            self._deliver.emit(emissions, raw.position, key.encode(), partition.flight)
        return None

    def _live(self, partition: Partition[Merged[S]], key: str) -> Live[S]:
        recovered = partial(self._engine.recovered, key_of(partition.number, key))
        return partition.memory.states.use(key, recovered, self._restore)

    def _restore(self, body: bytes | None) -> S:
        return self._processor.restore(None if body is None else body[_DUE.size :])

    def settle(self, partition: Partition[Merged[S]], *, final: bool) -> None:
        for key, applied, emissions in partition.memory.states.settle(self._processor, final=final):
            source = Position(self._processor.state.sequence.name, partition.number, applied)
            self._deliver.emit(emissions, source, key.encode(), partition.flight)

    def snapshots(self, partition: Partition[Merged[S]]) -> list[tuple[bytes, bytes]]:
        """Each says in front when its key is due."""
        merged = partition.memory

        def with_due(key: str, state: S, body: bytes) -> bytes:
            due = self._processor.due(state)
            merged.timers.set(key, due)  # of a state that was given up, another than before
            return _DUE.pack(NEVER if due is None else due) + body

        snapshots = merged.states.snapshots(
            self._processor.state.name, self._processor, self._max_live, self._max_bytes, with_due
        )
        written = [(key_of(partition.number, key), snapshot) for key, snapshot in snapshots.items()]
        own = json.dumps({"applied": merged.applied, "at": merged.at}).encode()
        return [*written, (key_of(partition.number, ""), pack(merged.next_entry, own))]


def _due_of(body: bytes) -> int | None:
    (due,) = _DUE.unpack_from(body)
    return None if due == NEVER else int(due)


def _reached(own: bytes | None) -> tuple[int, dict[str, int], int]:
    """Of a partition's own record: the order's next entry, by topic the offset reached, and the last entry's time."""
    if own is None:
        return 0, {}, 0
    next_entry, body = unpack(own)
    reached = json.loads(body)
    return next_entry, dict(reached["applied"]), int(reached["at"])
