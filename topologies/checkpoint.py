"""Effectively-once state on an at-least-once engine.

For each partition, and in this order:

1. a run is applied record by record; a key's state skips what it has applied before; outputs are launched;
2. at a checkpoint, between two runs, the changed states are turned into snapshots, each with its applied offset;
3. the outputs are awaited: nothing is remembered as done whose result is not durable;
4. the snapshots go to the changelog, with the partition's own record (the offset reached), and are awaited;
5. the runs are acknowledged, in order; Kafka commits them a moment later.

After a crash the group resumes at its committed offset. States that are ahead of it skip what they have applied; states
that are behind learn it again, with the same result, since steps are deterministic. Outputs may then be in the log
twice; they carry their source's position, by which readers drop the second. What cannot be explained by any of this
(a run that does not begin where the last one ended, a checkpoint behind the commit) ends the process at once: a restart
is safe, going on is not.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, NoReturn, Protocol, TypeVar

from pipeline.errors import Broken, Failure
from pipeline.kafka.flight import Flight
from pipeline.outcome import Refuse
from pipeline.received import Raw
from pipeline.step import Step
from schemas.codec import Codec
from schemas.event import Event
from schemas.position import Position
from topologies.deliver import Deliver
from topologies.intake import Placement, raw_of, take_in
from topologies.runs import Run
from topologies.snapshots import key_of, pack, unpack

E = TypeVar("E", bound=Event)
S = TypeVar("S")
log = logging.getLogger(__name__)

MAX_SNAPSHOT = 7 * 1024 * 1024
"""Bytes of one state; the changelog's records may have 8 MiB."""


@dataclass(frozen=True, slots=True)
class Rhythm:
    """When a checkpoint is due. `share` bounds what checkpoints may cost: after one that took 10 ms, at `share` 0.1,
    the next comes no sooner than 100 ms later, however many records wait."""

    records: int = 20_000
    seconds: float = 0.5
    pulse_seconds: float = 0.05
    share: float = 0.1
    breath_seconds: float = 0.1
    max_live: int = 10_000


class Engine(Protocol):
    """What is needed of Faust: the current generation, a changelog, the states recovered from it."""

    @property
    def generation(self) -> int: ...

    def recovered(self, key: bytes) -> bytes | None: ...

    async def remember(self, partition: int, snapshots: Sequence[tuple[bytes, bytes]]) -> None:
        """Durable in the changelog when it returns. Raises Failure."""


@dataclass(slots=True)
class Live(Generic[S]):
    """A key's state in memory, and the last offset it has applied."""

    state: S
    applied: int


@dataclass(slots=True)
class Partition(Generic[S]):
    """What one epoch knows of a partition."""

    number: int
    epoch: int
    due: int
    flight: Flight
    live: dict[str, Live[S]] = field(default_factory=dict)
    dirty: dict[str, None] = field(default_factory=dict)
    pending: list[Any] = field(default_factory=list)
    records: int = 0
    since: float = 0.0
    not_before: float = 0.0
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    flushing: asyncio.Lock = field(default_factory=asyncio.Lock)


class Checkpoint(Generic[E, S]):
    """Runs one step over all partitions of its topic that this worker holds.

    `die` must end the process without letting anything be acknowledged.
    """

    def __init__(
        self,
        step: Step[E, S],
        engine: Engine,
        deliver: Deliver,
        codec: Codec,
        placement: Placement,
        die: Callable[[str], NoReturn],
        rhythm: Rhythm = Rhythm(),
    ) -> None:
        self._step, self._engine, self._deliver, self._codec = step, engine, deliver, codec
        self._placement, self._die, self._rhythm = placement, die, rhythm
        self._partitions: dict[int, Partition[S]] = {}

    async def take(self, event: Any) -> None:
        """One Faust event, whose value is a Run."""
        run: Run = event.message.value
        if event.message.generation_id != self._engine.generation:
            return  # of an assignment that is over: whoever holds the partition now reads it again
        try:
            partition = self._partition(event.message.partition, run)
            async with partition.lock:
                await self._apply_run(partition, run)
                partition.pending.append(event)
            if partition.records >= self._rhythm.records and time.monotonic() >= partition.not_before:
                await self._flush(partition)
        except asyncio.CancelledError:
            # Half a run may have been applied: nothing of it may survive. A new epoch reads it again.
            self._partitions.pop(event.message.partition, None)
            raise
        except Exception as error:
            self._end(error)

    async def pulse(self) -> None:
        """For ever: what states owe is told, and what is due is made durable, also when no run comes."""
        try:
            while True:
                await asyncio.sleep(self._rhythm.pulse_seconds)
                for partition in list(self._partitions.values()):
                    if not partition.lock.locked():
                        self._settle(partition, final=False)
                    if self._is_due(partition):
                        await self._flush(partition)
        except Exception as error:
            self._end(error)

    async def flush(self) -> None:
        """All partitions, now: before they are given away or the worker stops."""
        try:
            await asyncio.gather(*(self._flush(partition) for partition in list(self._partitions.values())))
        except Exception as error:
            self._end(error)

    def _partition(self, number: int, run: Run) -> Partition[S]:
        partition = self._partitions.get(number)
        if partition is None or partition.epoch != run.epoch:
            partition = Partition(number, run.epoch, run.start, Flight())
            self._check_recovered(partition)
            self._partitions[number] = partition
        if run.begins != partition.due:
            topic = self._step.topic.name
            raise Broken(f"{topic}-{number}: a run begins at {run.begins} where {partition.due} is due")
        return partition

    def _check_recovered(self, partition: Partition[S]) -> None:
        value = self._engine.recovered(key_of(partition.number, ""))
        reached = unpack(value)[0] if value is not None else None
        if reached is not None and reached < partition.due:
            topic = self._step.topic.name
            raise Broken(
                f"{topic}-{partition.number}: the state has reached {reached} but {partition.due} is committed"
            )

    async def _apply_run(self, partition: Partition[S], run: Run) -> None:
        if not partition.pending:
            partition.since = time.monotonic()
        breath = time.monotonic() + self._rhythm.breath_seconds
        for record in run.records:
            self._apply(partition, raw_of(record))
            if time.monotonic() > breath:
                # Heartbeats and fetches share this loop: a long run must let them in.
                await asyncio.sleep(0)
                await self._deliver.make_room(partition.flight)
                breath = time.monotonic() + self._rhythm.breath_seconds
        await self._deliver.make_room(partition.flight)
        partition.records += len(run.records)
        partition.due = run.ends

    def _apply(self, partition: Partition[S], raw: Raw) -> None:
        received = take_in(raw, self._codec, self._step.kind)
        if not isinstance(received, Refuse):
            key = self._step.key(received.event)
            misplaced = self._placement.check(raw, key)
            if misplaced is None:
                live = self._live(partition, key)
                if raw.position.offset <= live.applied:
                    return
                outcome = self._step.apply(received, live.state)
                live.applied = raw.position.offset
                partition.dirty[key] = None
                self._deliver(outcome, self._step.topic, raw, partition.flight)
                return
            received = misplaced
        self._deliver(received, self._step.topic, raw, partition.flight)

    def _live(self, partition: Partition[S], key: str) -> Live[S]:
        live = partition.live.get(key)
        if live is None:
            value = self._engine.recovered(key_of(partition.number, key))
            applied, body = (-1, None) if value is None else unpack(value)
            live = partition.live[key] = Live(self._step.restore(body), applied)
        return live

    def _settle(self, partition: Partition[S], *, final: bool) -> None:
        for key in partition.dirty:
            live = partition.live[key]
            emissions = self._step.settle(live.state, final=final)
            if emissions:
                source = Position(self._step.topic.name, partition.number, live.applied)
                self._deliver.emit(emissions, source, key.encode(), partition.flight)

    def _is_due(self, partition: Partition[S]) -> bool:
        now = time.monotonic()
        waited = now - partition.since >= self._rhythm.seconds
        return bool(partition.pending) and waited and now >= partition.not_before and not partition.flushing.locked()

    async def _flush(self, partition: Partition[S]) -> None:
        async with partition.flushing:
            async with partition.lock:
                if not partition.pending:
                    return
                begun = time.monotonic()
                self._settle(partition, final=True)
                pending, partition.pending = partition.pending, []
                flight, partition.flight = partition.flight, Flight()
                snapshots = self._snapshots(partition)
                partition.records = 0
                busy = time.monotonic() - begun
            await flight.landed()
            if not self._still_ours(partition, pending):
                return
            await self._engine.remember(partition.number, snapshots)
            if not self._still_ours(partition, pending):
                return
            for event in pending:
                event.ack()
            partition.not_before = time.monotonic() + busy / self._rhythm.share

    def _snapshots(self, partition: Partition[S]) -> list[tuple[bytes, bytes]]:
        """Of every changed state, and last the partition's own record."""
        snapshots = []
        for key in partition.dirty:
            live = partition.live[key]
            body = self._step.snapshot(live.state)
            if len(body) > MAX_SNAPSHOT:
                reason = f"its snapshot has {len(body)} bytes and may have {MAX_SNAPSHOT}"
                log.error("%s: the state of %r is given up: %s", self._step.topic.name, key, reason)
                live.state = self._step.forfeit(live.state, reason)
                body = self._step.snapshot(live.state)
            snapshots.append((key_of(partition.number, key), pack(live.applied, body)))
        partition.dirty = {}
        if len(partition.live) > self._rhythm.max_live:
            partition.live = {}  # every state is in its snapshot now
        snapshots.append((key_of(partition.number, ""), pack(partition.due, b"")))
        return snapshots

    def _still_ours(self, partition: Partition[S], pending: Sequence[Any]) -> bool:
        """A generation that ended meanwhile takes its unacknowledged runs with it; others will read them."""
        held = self._partitions.get(partition.number)
        return held is partition and pending[0].message.generation_id == self._engine.generation

    def _end(self, error: Exception) -> NoReturn:
        what = str(error) if isinstance(error, Failure) else f"{type(error).__name__}: {error}"
        if not isinstance(error, Failure):
            log.critical("%s: unforeseen", self._step.topic.name, exc_info=error)
        self._die(what)
