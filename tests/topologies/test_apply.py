"""A run taken in pieces does what its records do one by one."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.clustering.cluster import Cluster
from pipeline.telemetry import Meter
from schemas.clustering.points import Action, PointsObserved
from schemas.clustering.topics import CLUSTERED, CLUSTERS
from schemas.exchange import REPLIES, REPLY_PARTITION_HEADER, REQUEST_ID_HEADER, Replied
from schemas.position import Position
from tests.doubles.log import Launched, MemoryLog
from tests.topologies.tally import CODEC, Record, Recovered, end, run, states
from topologies.apply import MAX_STATES, Apply
from topologies.checkpoint import Checkpoint
from topologies.deliver import Deliver
from topologies.gather import WORTHWHILE, gather
from topologies.intake import Placement

ASKED = ((REQUEST_ID_HEADER, b"req_1"), (REPLY_PARTITION_HEADER, b"3"))


class Singly(Cluster):
    """The step without its way of taking many."""

    apply_alike = None  # type: ignore[assignment]


def point(offset: int, key: str = "a", **fields: Any) -> Record:
    rng = np.random.default_rng(offset)
    event = PointsObserved(key, 1_764_000_000_000_000 + offset, 2, rng.normal(size=2) + 20 * (offset % 2))
    return Record(offset, key.encode(), CODEC.encode(replace(event, **fields)))


def without_values(record: Record, action: Action) -> Record:
    return point(record.offset, record.key.decode(), action=action, dimension=0, values=np.empty(0))


def odd(record: Record, change: str) -> Record:
    changed: dict[str, Callable[[], Record]] = {
        "as it is": lambda: record,
        "asked for": lambda: replace(record, headers=ASKED),
        "traced": lambda: replace(record, headers=(("traceparent", b"00-1"),)),
        "poison": lambda: replace(record, value=record.value[:-1] + b"\7"),
        "empty": lambda: replace(record, value=b""),
        "misplaced": lambda: replace(record, key=b"elsewhere"),
        "not finite": lambda: point(record.offset, record.key.decode(), values=np.array([np.nan, 1.0])),
        "wider": lambda: point(record.offset, record.key.decode(), values=np.ones(4)),
        "named": lambda: point(record.offset, record.key.decode(), batch_id="b"),
        "reset": lambda: without_values(record, Action.RESET),
        "deleted": lambda: without_values(record, Action.DELETE),
    }
    return changed[change]()


CHANGES = st.sampled_from(
    ["as it is"] * 40
    + ["asked for", "traced", "poison", "empty", "misplaced", "not finite"]
    + ["wider", "named", "reset", "deleted"]
)


async def outcome(
    step: Cluster, cuts: list[list[Record]], engine: Recovered, log: MemoryLog, most: int = MAX_STATES
) -> None:
    deliver = Deliver(log, CODEC, lambda: 1)  # type: ignore[arg-type]
    checkpoint = Checkpoint(Apply(step, engine, deliver, CODEC, Placement(1), max_states=most), engine, end)
    for records in cuts:
        await checkpoint.take(run(*records))
    await checkpoint.flush()


def by_key(log: MemoryLog) -> dict[tuple[str, bytes | None], list[Launched]]:
    """What a key's readers see, without what depends on the time: when clusters are told of, what replies measure."""
    told: dict[tuple[str, bytes | None], list[Launched]] = {}
    for record in log.records:
        if record.topic not in (CLUSTERS.name, REPLIES.name):
            told.setdefault((record.topic, record.key), []).append(record)
    return told


def answered(log: MemoryLog) -> list[Position]:
    return sorted(CODEC.decode(record.value or b"", Replied).position for record in log.of(REPLIES.name))


@settings(deadline=None, max_examples=60)
@given(data=st.data())
async def test_pieces_do_what_single_records_do(data: st.DataObject) -> None:
    count = data.draw(st.integers(1, 120))
    keys = data.draw(st.lists(st.sampled_from("aaab"), min_size=count, max_size=count))
    changes = data.draw(st.lists(CHANGES, min_size=count, max_size=count))
    records = [odd(point(at, key), change) for at, (key, change) in enumerate(zip(keys, changes, strict=True))]
    middle = data.draw(st.integers(0, count))
    cuts = [part for part in (records[:middle], records[middle:]) if part]
    most = data.draw(st.sampled_from([1, MAX_STATES]))
    logs, engines = (MemoryLog(), MemoryLog()), []
    for log, kind in zip(logs, (Singly, Cluster), strict=True):
        engines.append(Recovered(log))
        await outcome(kind(Meter("w", lambda: 1), lambda: 1), cuts, engines[-1], log, most)
    assert by_key(logs[1]) == by_key(logs[0])
    assert answered(logs[1]) == answered(logs[0])
    assert engines[1].table == engines[0].table


class Slow(Recovered):
    """Whose changelog takes a snapshot only when it is told to: meanwhile runs go on."""

    def __init__(self, log: MemoryLog) -> None:
        super().__init__(log)
        self.taken = asyncio.Event()

    async def remember(self, partition: int, snapshots: Any) -> None:
        await self.taken.wait()
        await super().remember(partition, snapshots)


@settings(deadline=None, max_examples=40)
@given(data=st.data())
async def test_states_that_leave_the_memory_are_those_that_stay(data: st.DataObject) -> None:
    """Bit for bit, whatever the bounds, and whatever is under way to the changelog when a state is needed again."""
    count = data.draw(st.integers(1, 90))
    keys = data.draw(st.lists(st.sampled_from("abcd"), min_size=count, max_size=count))
    changes = data.draw(st.lists(CHANGES, min_size=count, max_size=count))
    records = [odd(point(at, key), change) for at, (key, change) in enumerate(zip(keys, changes, strict=True))]
    most, most_bytes = data.draw(st.sampled_from([(0, 1 << 30), (1, 1 << 30), (10, 1), (10, 5000), (2, 20_000)]))
    ends = sorted({*data.draw(st.lists(st.integers(1, count), max_size=6)), count})
    told = []
    for bounds in ((10_000, 1 << 30), (most, most_bytes)):
        log = MemoryLog()
        engine = Slow(log)
        step = Cluster(Meter("w", lambda: 1), lambda: 1)
        deliver = Deliver(log, CODEC, lambda: 1)  # type: ignore[arg-type]
        work = Apply(step, engine, deliver, CODEC, Placement(1), 0.1, *bounds)
        checkpoint, begin, flushing = Checkpoint(work, engine, end), 0, None
        for stop in ends:
            await checkpoint.take(run(*records[begin:stop]))
            begin = stop
            engine.taken.set()
            if flushing is not None:
                await flushing
            engine.taken.clear()
            flushing = asyncio.ensure_future(checkpoint.flush())
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            [partition] = checkpoint._partitions.values()
            assert len(partition.memory.live) <= bounds[0]
            assert partition.memory.size == sum(live.size for live in partition.memory.live.values())
        engine.taken.set()
        if flushing is not None:
            await flushing
        await checkpoint.flush()
        told.append((by_key(log), answered(log), engine.table))
    assert told[1] == told[0]


async def test_a_model_that_is_idle_leaves_the_memory_and_comes_back_the_same() -> None:
    log = MemoryLog()
    engine = Recovered(log)
    step = Cluster(Meter("w", lambda: 1), lambda: 1)
    deliver = Deliver(log, CODEC, lambda: 1)  # type: ignore[arg-type]
    checkpoint = Checkpoint(Apply(step, engine, deliver, CODEC, Placement(1), 0.1, 2), engine, end)
    for at, key in enumerate("abcab"):
        await checkpoint.take(run(point(at, key)))
        await checkpoint.flush()
    [partition] = checkpoint._partitions.values()
    assert list(partition.memory.live) == ["a", "b"], "the last used"
    assert not partition.memory.leaving, "what is in the changelog is not kept twice"


async def test_many_small_records_of_a_stream_are_taken_at_once() -> None:
    calls: list[int] = []

    class Watched(Cluster):
        def apply_alike(self, received: Any, state: Any) -> Any:
            found = super().apply_alike(received, state)
            calls.append(0 if found is None else len(received.offsets))
            return found

    log = MemoryLog()
    await outcome(Watched(Meter("w", lambda: 1), lambda: 1), [[point(at) for at in range(100)]], Recovered(log), log)
    assert calls == [0, 99]  # the stream's first point makes its model
    assert len(log.of(CLUSTERED.name)) == 100


async def test_clusters_are_told_right_behind_an_answer() -> None:
    log, clock = MemoryLog(), iter(range(1, 10**15, 10**9))
    step = Cluster(Meter("w", lambda: 1), lambda: next(clock))
    deliver = Deliver(log, CODEC, lambda: 1)  # type: ignore[arg-type]
    engine = Recovered(log)
    checkpoint = Checkpoint(Apply(step, engine, deliver, CODEC, Placement(1)), engine, end)
    await checkpoint.take(run(point(0), odd(point(1), "asked for")))
    assert [record.topic for record in log.records[-2:]] == [REPLIES.name, CLUSTERS.name]


async def test_after_a_crash_a_piece_that_has_been_applied_in_part_is_applied_from_there() -> None:
    log = MemoryLog()
    engine = Recovered(log)
    records = [point(at) for at in range(60)]
    await outcome(Cluster(Meter("w", lambda: 1), lambda: 1), [records[:30]], engine, log)
    await outcome(Cluster(Meter("w", lambda: 1), lambda: 1), [records], engine, log)
    once = Recovered(MemoryLog())
    await outcome(Cluster(Meter("w", lambda: 1), lambda: 1), [records], once, MemoryLog())
    assert states(engine.table) == states(once.table)
    assert len(log.of(CLUSTERED.name)) == 60


def test_a_key_keeps_its_order_whatever_the_pieces_are() -> None:
    records = [odd(point(at, "ab"[at % 3 == 0]), "asked for" if at % 11 == 0 else "as it is") for at in range(100)]
    pieces = list(gather(records))
    assert sorted(record.offset for piece in pieces for record in piece) == list(range(100))
    assert any(len(piece) >= WORTHWHILE for piece in pieces)
    for key in b"a", b"b":
        offsets = [record.offset for piece in pieces for record in piece if record.key == key]
        assert offsets == sorted(offsets)


def test_a_short_run_is_not_taken_apart() -> None:
    records = [point(at) for at in range(WORTHWHILE - 1)]
    assert list(gather(records)) == [records]
