"""A Faust consumer that hands an agent whole runs of records, each beginning exactly where the last one ended.

Stock Faust passes records one by one through two tasks, a queue and an iterator: about 80 microseconds each. Here one
Faust message carries all records of one partition that a fetch brought.

It also closes a hole. Faust's streams throw away what reaches them while `app.flow_control` is inactive, and a fetch
may come back between an assignment and the seek to the committed offsets; the run after it then follows as if nothing
were missing, and is acknowledged. So too with what waits in the streams' queues when flow control is resumed, which
empties them, and after a recovery it is resumed once more behind the seek. So a run is held until the flow has been
resumed since the seek, every run is checked against the offset that is due, and what does not fit is fetched again
from there. Offsets that hold no record for a reader of committed ones (`spans.py`) are part of a run.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn, cast

import faust
from faust.transport.drivers.aiokafka import Transport
from faust.types import TP, TransportT
from faust.types.tuples import ConsumerMessage

from topologies import batches, spans
from topologies.fetching import HOLD_SECONDS, Fetching
from topologies.spans import reach

log = logging.getLogger(__name__)

WATCH_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Run:
    """Consecutive records of a partition of `topic`, as aiokafka has them: all there are from the offset `begins`, at
    which this run was due to begin, to `ends`. None where that stretch has but aborted records and transactions'
    markers.

    `epoch` counts this consumer's seeks to the committed offsets, and `start` is where this epoch's reading of the
    partition began: a reader's state belongs to one epoch. `reached` is given where the log was read further than the
    last record.
    """

    topic: str
    epoch: int
    start: int
    begins: int
    records: Sequence[Any]
    reached: int = 0

    @property
    def ends(self) -> int:
        """The offset due next."""
        return max(self.reached, int(self.records[-1].offset) + 1 if len(self.records) else self.begins)


@dataclass(frozen=True, slots=True)
class Assignment:
    """What is read in an epoch: by partition and topic, the offset at which reading begins. Until it is `active` the
    states are being recovered."""

    epoch: int
    starts: Mapping[int, Mapping[str, int]]
    active: bool


@dataclass(frozen=True, slots=True)
class Reading:
    """What is read in runs, what is awaited while revoked partitions still belong to this worker, and how it ends."""

    topics: frozenset[str]
    before_revoke: Callable[[], Awaitable[None]]
    die: Callable[[str], NoReturn]


class RunConsumer(Fetching):
    """Topics in `reading.topics` come as runs; changelogs as the records of a fetch, which `SnapshotTable` takes in."""

    def __init__(self, transport: TransportT, *args: Any, **kwargs: Any) -> None:
        super().__init__(transport, *args, **kwargs)
        self._reading = cast(RunTransport, transport).reading
        self._epoch = 0
        self._epoch_generation: int | None = None
        self._starts: dict[TP, int] = {}
        self._due: dict[TP, int] = {}
        self._mismatch: dict[TP, tuple[int, int]] = {}
        self._resumed = False

    @faust.Service.task
    async def _watch_membership(self) -> None:
        """aiokafka takes part in the group in a task of its own. An error it did not foresee ends that task (so does a
        broker that, right after its start, says that there are no brokers), and Faust is not told: the worker would
        stand still for ever."""
        while not self.should_stop:
            await self.sleep(WATCH_SECONDS)
            client = self._thread._consumer  # noqa: SLF001
            coordinator = None if client is None else client._coordinator  # noqa: SLF001
            membership = None if coordinator is None else coordinator._coordination_task  # noqa: SLF001
            if membership is not None and membership.done() and not membership.cancelled() and not self.should_stop:
                self._reading.die(f"its membership in the group has ended: {membership.exception()}")

    async def getmany(self, timeout: float) -> AsyncIterator[tuple[TP, Any]]:
        await self._until_nothing_is_missing()
        if self.should_stop:
            return
        generation = self.app.consumer_generation_id
        fetch, records = await self._fetch(timeout)
        for tp, fetched in records.items():
            if not self._goes_on(generation):
                return
            if not (self._is_wanted(tp) and self._custody.is_next(fetch, tp)):
                continue
            if tp.topic not in self._reading.topics:
                await self._until_taken_in()
                if not self._goes_on(generation):
                    return
                yield tp, self._message(tp, fetched, fetched, reach(fetched)[1], generation)
                if not self._goes_on(generation):
                    return  # it may have been dropped on its way, and so is asked for again
                self._custody.handed(fetch, tp)
                continue
            run = self._due_run(tp, fetched)
            if run is None:
                continue  # not handed on, and so asked for again
            await self._until_streams_listen()
            if not self._goes_on(generation) or run.epoch != self._epoch:
                return
            self._due[tp] = run.ends
            self._custody.handed(fetch, tp)
            yield tp, self._message(tp, run, run.records, run.ends, generation)

    def _next_of(self, tp: TP) -> int | None:
        if tp.topic not in self._reading.topics:
            return super()._next_of(tp)
        return self._due.get(tp) if self._epoch_generation == self.app.consumer_generation_id else None

    def _due_run(self, tp: TP, fetched: Sequence[Any]) -> Run | None:
        if self._epoch_generation != self.app.consumer_generation_id or tp not in self._due:
            return None  # fetched before this epoch was noted
        due = self._due[tp]
        begins, ends = reach(fetched)
        if ends <= due:
            return None
        if begins > due and self._mismatch.get(tp) != (due, begins):
            self._mismatch[tp] = due, begins
            log.warning("%s: %s came where %s is due; reading again from there", tp, begins, due)
            return None
        if begins > due:  # asked for `due`, the broker twice gave this: what lay between is gone by retention
            log.error("%s: the log has no records from %s to %s", tp, due, begins - 1)
        self._mismatch.pop(tp, None)
        kept = fetched if begins >= due else [record for record in fetched if record.offset >= due]
        return Run(tp.topic, self._epoch, self._starts[tp], due, kept, ends)

    async def _until_streams_listen(self) -> None:
        while self.flow_active and not (self._streams_listen or self.should_stop):  # noqa: ASYNC110
            await asyncio.sleep(HOLD_SECONDS)  # Faust's flow control has no event that tells of its resumption

    @property
    def _streams_listen(self) -> bool:
        return self._resumed and bool(self.app.flow_control.is_active())

    def resume_flow(self) -> None:
        """Faust calls this right after it has resumed flow control, which empties the queues of the streams."""
        super().resume_flow()
        self._resumed = True

    def _message(self, tp: TP, value: object, records: Sequence[Any], ends: int, generation: int) -> ConsumerMessage:
        """One that stands for all these records and whatever else lies before `ends`."""
        last = records[-1] if len(records) else None
        return ConsumerMessage(
            tp.topic,
            tp.partition,
            ends - 1,
            0.0 if last is None else last.timestamp / 1000,
            0 if last is None else last.timestamp_type,
            [],
            None,
            cast(bytes, value),  # the app's topics are raw: whatever stands here reaches the agent, or the table
            None,
            tp=tp,
            generation_id=generation,
        )

    def assigned(self, topics: Collection[str]) -> Assignment | None:
        """What this worker holds of these topics; None while a rebalance goes on."""
        if self._epoch_generation != self.app.consumer_generation_id:
            return None
        starts: dict[int, dict[str, int]] = {}
        for tp, offset in self._starts.items():
            if tp.topic in topics:
                starts.setdefault(tp.partition, {})[tp.topic] = offset
        return Assignment(self._epoch, starts, self._streams_listen)

    async def perform_seek(self) -> None:
        """Seeks to the committed offsets, and notes them as what is due in this epoch."""
        generation = self.app.consumer_generation_id
        self._resumed = False
        await super().perform_seek()
        mine = [tp for tp in self.assignment() if tp.topic in self._reading.topics]
        starts = {tp: offset for tp in mine if (offset := self._committed_offset[tp]) is not None}
        fresh = [tp for tp in mine if tp not in starts]
        if fresh:
            # A partition without a committed offset is read from its oldest record (auto_offset_reset=earliest).
            starts |= {tp: int(offset) for tp, offset in (await self.earliest_offsets(*fresh)).items()}
        if self.app.consumer_generation_id == generation:
            self._epoch += 1
            self._epoch_generation = generation
            self._starts, self._due, self._mismatch = starts, dict(starts), {}
            # Runs fetched since the seek above, and before the epoch was noted, have been passed over: seek once more,
            # or a partition to which no further record comes would stand still.
            await self.seek_wait(starts)

    async def on_partitions_revoked(self, revoked: set[TP]) -> None:
        await self._reading.before_revoke()
        # Stock Faust forgets what was acknowledged and then commits; so commit first.
        await self.commit()
        await super().on_partitions_revoked(revoked)

    async def wait_empty(self) -> None:
        """What is acknowledged is committed; what is not will be read again, so there is nothing to wait for."""
        await self._reading.before_revoke()
        self._unacked_messages.clear()
        await self.commit_and_end_transactions()

    async def _add_gap(self, tp: TP, offset_from: int, offset_to: int) -> None:
        if tp.topic not in self._reading.topics:
            await super()._add_gap(tp, offset_from, offset_to)

    def _new_offset(self, tp: TP) -> int | None:
        """Acknowledgements of a run topic come in order, so the greatest is safe to commit."""
        if tp.topic not in self._reading.topics:
            offset: int | None = super()._new_offset(tp)
            return offset
        acknowledged = self._acked[tp]
        if not acknowledged:
            return None
        greatest = max(acknowledged)
        acknowledged.clear()
        self._acked_index[tp].clear()
        return int(greatest) + 1


class RunTransport(Transport):
    """Faust's Kafka transport with runs."""

    Consumer = RunConsumer

    def __init__(self, *args: Any, reading: Reading, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.reading = reading
        batches.install()
        spans.install()
