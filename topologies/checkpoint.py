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
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, NoReturn, TypeVar

from pipeline.errors import Broken, Failure
from pipeline.kafka.flight import Flight
from topologies.partition import Engine, Partition, Work
from topologies.runs import Run

M = TypeVar("M")
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Rhythm:
    """When a checkpoint is due. `share` bounds what checkpoints may cost: after one that took 10 ms, at `share` 0.1,
    the next comes no sooner than 100 ms later, however many records wait."""

    records: int = 20_000
    seconds: float = 0.5
    pulse_seconds: float = 0.05
    share: float = 0.1
    breath_seconds: float = 0.1


class Checkpoint(Generic[M]):
    """Does a work over all partitions of its topic that this worker holds.

    `die` must end the process without letting anything be acknowledged.
    """

    def __init__(
        self, work: Work[M], engine: Engine, die: Callable[[str], NoReturn], rhythm: Rhythm = Rhythm()
    ) -> None:
        self._work, self._engine, self._die, self._rhythm = work, engine, die, rhythm
        self._partitions: dict[int, Partition[M]] = {}
        self._beginning = asyncio.Lock()

    async def take(self, event: Any) -> None:
        """One Faust event, whose value is a Run."""
        run: Run = event.message.value
        if event.message.generation_id != self._engine.generation:
            return  # of an assignment that is over: whoever holds the partition now reads it again
        try:
            partition = await self._of_run(event.message.partition, run)
            if partition is None:
                return
            async with partition.lock:
                if not self._is_held(partition, event.message.generation_id):
                    return  # it was given away meanwhile, and Faust forgets its states
                partition.generation = event.message.generation_id
                if not partition.pending:
                    partition.since = time.monotonic()
                partition.pending.append((run, event))
                partition.due[run.topic] = run.ends
                await self._work(partition, run)
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
                if self._work.eager:
                    await self._begin_assigned()
                for partition in list(self._partitions.values()):
                    if partition.generation != self._engine.generation:
                        continue  # it may be another's by now, who knows better what there is to tell
                    if not partition.lock.locked():
                        await self._wake(partition)
                    if self._is_due(partition):
                        await self._flush(partition)
        except Exception as error:
            self._end(error)

    async def _wake(self, partition: Partition[M]) -> None:
        async with partition.lock:
            if not self._is_held(partition, partition.generation):
                return
            try:
                await self._work.wake(partition)
            except asyncio.CancelledError:
                self._partitions.pop(partition.number, None)
                raise
            self._work.settle(partition, final=False)

    async def flush(self) -> None:
        """All partitions, now: before they are given away or the worker stops."""
        try:
            await asyncio.gather(*(self._flush(partition) for partition in list(self._partitions.values())))
        except Exception as error:
            self._end(error)

    async def _of_run(self, number: int, run: Run) -> Partition[M] | None:
        """None for a run of an epoch that is over: it is read again."""
        starts: Mapping[str, int] = {run.topic: run.start}
        if len(self._work.topics) > 1:
            assignment = self._engine.assignment()
            if assignment is None or assignment.epoch != run.epoch:
                return None
            starts = assignment.starts[number]
        partition = await self._partition(number, run.epoch, starts)
        if run.begins != partition.due[run.topic]:
            raise Broken(f"{run.topic}-{number}: a run begins at {run.begins} where {partition.due[run.topic]} is due")
        return partition

    async def _begin_assigned(self) -> None:
        assignment, generation = self._engine.assignment(), self._engine.generation
        if assignment is None or not assignment.active:
            return
        for number, starts in assignment.starts.items():
            partition = await self._partition(number, assignment.epoch, starts)
            partition.generation = generation

    async def _partition(self, number: int, epoch: int, starts: Mapping[str, int]) -> Partition[M]:
        async with self._beginning:
            partition = self._partitions.get(number)
            if partition is None or partition.epoch != epoch:
                partition = Partition(number, epoch, starts, Flight(), await self._work.begin(number, starts))
                self._partitions[number] = partition
            return partition

    def _is_due(self, partition: Partition[M]) -> bool:
        now = time.monotonic()
        waited = now - partition.since >= self._rhythm.seconds and now >= partition.not_before
        return bool(partition.pending or partition.dirty) and waited and not partition.flushing.locked()

    async def _flush(self, partition: Partition[M]) -> None:
        async with partition.flushing:
            async with partition.lock:
                if not partition.pending and not partition.dirty:
                    return
                begun, generation = time.monotonic(), partition.generation
                self._work.settle(partition, final=True)
                done = partition.take_done()
                flight, partition.flight = partition.flight, Flight()
                snapshots = self._work.snapshots(partition)
                partition.records, partition.dirty = 0, False
                busy = time.monotonic() - begun
            await flight.landed()
            if not self._is_held(partition, generation):
                return
            await self._engine.remember(partition.number, snapshots)
            if not self._is_held(partition, generation):
                return
            for event in done:
                event.ack()
            partition.not_before = time.monotonic() + busy / self._rhythm.share

    def _is_held(self, partition: Partition[M], generation: int) -> bool:
        """A generation that ended meanwhile takes its unacknowledged runs with it; others will read them."""
        return self._partitions.get(partition.number) is partition and generation == self._engine.generation

    def _end(self, error: Exception) -> NoReturn:
        what = str(error) if isinstance(error, Failure) else f"{type(error).__name__}: {error}"
        if not isinstance(error, Failure):
            log.critical("%s: unforeseen", self._work.topics[0].name, exc_info=error)
        self._die(what)
