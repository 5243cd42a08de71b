"""A partition has so many streams and no more, and whoever reads its log again decides the same."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.clustering.cluster import Cluster
from pipeline.errors import LogUnavailable
from pipeline.telemetry import Meter
from schemas.clustering.points import Action, ClusteringConfig, PointsClustered, PointsObserved
from schemas.clustering.topics import CLUSTERED, OBSERVED
from schemas.exchange import Refused
from tests.doubles.log import MemoryLog
from tests.topologies.tally import CODEC, Ended, Record, Recovered, end, run, states
from topologies.apply import Apply, Counted
from topologies.checkpoint import Checkpoint
from topologies.deliver import Deliver
from topologies.framing import key_of, pack, unpack
from topologies.intake import Placement
from topologies.quota import NAMES, quota_key

Decided = dict[int, set[str]]
"""By offset: the reasons of its dead letters, "learned" where it has a result."""


def learn(offset: int, stream: str, **fields: Any) -> Record:
    event = PointsObserved(stream, 1_764_000_000_000_000 + offset, 2, np.random.default_rng(offset).normal(size=2))
    return _record(offset, event, fields)


def delete(offset: int, stream: str) -> Record:
    return _record(offset, PointsObserved(stream, 1, 0, np.empty(0), action=Action.DELETE), {})


def _record(offset: int, event: PointsObserved, fields: dict[str, Any]) -> Record:
    for name, value in fields.items():
        object.__setattr__(event, name, value)
    return Record(offset, event.stream.encode(), CODEC.encode(event))


class Torn(Recovered):
    """Whose changelog takes the first `takes` of the snapshots of the checkpoint numbered `breaks`, and breaks."""

    def __init__(self, log: MemoryLog, breaks: int = -1, takes: int = 0) -> None:
        super().__init__(log)
        self.breaks, self.takes = breaks, takes

    async def remember(self, partition: int, snapshots: Sequence[tuple[bytes, bytes]]) -> None:
        self.breaks -= 1
        if self.breaks == -1:
            self.table.update(snapshots[: self.takes])
            raise LogUnavailable("torn")
        await super().remember(partition, snapshots)


def worker(log: MemoryLog, engine: Recovered, most: int) -> Checkpoint[Counted[Any]]:
    deliver = Deliver(log, CODEC, lambda: 1)  # type: ignore[arg-type]
    step = Cluster(Meter("w", lambda: 1), lambda: 1)
    return Checkpoint(Apply(step, engine, deliver, CODEC, Placement(1), max_states=most), engine, end)


def decided(log: MemoryLog) -> Decided:
    found: Decided = {}
    for record in log.of(OBSERVED.refused):
        letter = CODEC.decode(record.value or b"", Refused)
        found.setdefault(letter.source_offset, set()).add(letter.reason)
    for record in log.of(CLUSTERED.name):
        result = CODEC.decode(record.value or b"", PointsClustered)
        found.setdefault(result.source_offset, set()).add("learned")
    return found


async def read_on(
    point: Checkpoint[Counted[Any]], records: Sequence[Record], ends: Sequence[int], durable: list[int]
) -> None:
    """With a checkpoint at each of the ends; `durable` gets those that succeeded."""
    for stop in ends:
        await point.take(run(*records[durable[-1] : stop]))
        await point.flush()
        durable.append(stop)


async def read(records: Sequence[Record], most: int) -> tuple[Decided, dict[bytes, bytes]]:
    log = MemoryLog()
    engine = Recovered(log)
    point = worker(log, engine, most)
    await point.take(run(*records))
    await point.flush()
    return decided(log), engine.table


def counts(table: dict[bytes, bytes]) -> bytes:
    """Of streams and of names. At which offset they were counted, and since when, differs."""
    return unpack(table[quota_key(0)])[1][:16] if quota_key(0) in table else bytes(16)


async def test_new_streams_beyond_the_limit_are_dead_letters_and_the_others_go_on() -> None:
    records = [learn(at, stream) for at, stream in enumerate("abcab")]
    told, table = await read(records, most=2)
    assert told == {0: {"learned"}, 1: {"learned"}, 2: {"too_many_streams"}, 3: {"learned"}, 4: {"learned"}}
    assert key_of(0, "c") not in table, "what is refused takes no place"


async def test_a_stream_that_is_deleted_makes_room_for_another() -> None:
    told, _ = await read([learn(0, "a"), learn(1, "b"), delete(2, "a"), learn(3, "b")], most=1)
    assert told == {0: {"learned"}, 1: {"too_many_streams"}, 3: {"learned"}}


async def test_names_that_were_used_are_bounded_too_and_can_be_used_again() -> None:
    records = [
        made(2 * number + late, f"s{number}") for number in range(NAMES + 1) for late, made in ((0, learn), (1, delete))
    ]
    told, table = await read([*records, learn(len(records), "s0")], most=1)
    assert told[2 * NAMES] == {"too_many_streams"}
    assert told[len(records)] == {"learned"}
    assert sum(key.startswith(b"0/s") for key in table) == NAMES


async def test_records_of_no_use_begin_nothing_and_leave_nothing() -> None:
    wrong = [
        learn(0, "a", values=np.array([np.nan, 1.0])),
        learn(1, "b", config=ClusteringConfig("river.KMeans", {"n_clusters": -1})),
        delete(2, "c"),
    ]
    log = MemoryLog()
    engine = Recovered(log)
    point = worker(log, engine, 1)
    await point.take(run(*wrong))
    [partition] = point._partitions.values()
    assert partition.memory.live == {}, "nobody fills the memory with names"
    await point.flush()
    assert list(engine.table) == [b"0/"]


async def test_a_changelog_of_before_is_counted() -> None:
    _, table = await read([learn(0, "a"), learn(1, "b"), delete(2, "b")], most=9)
    del table[quota_key(0)]
    log = MemoryLog()
    engine = Recovered(log)
    engine.table.update(table)
    point = worker(log, engine, 2)
    await point.take(run(learn(3, "c"), learn(4, "d"), start=3))
    await point.flush()
    assert decided(log) == {3: {"learned"}, 4: {"too_many_streams"}}


async def test_a_limit_that_was_raised_changes_nothing_of_what_was_decided() -> None:
    records = [learn(0, "a"), learn(1, "b"), learn(2, "a")]
    _, table = await read(records, most=1)
    log = MemoryLog()
    engine = Recovered(log)
    engine.table.update(table)
    point = worker(log, engine, 5)
    await point.take(run(*records, learn(3, "b")))
    await point.flush()
    assert decided(log) == {1: {"too_many_streams"}, 3: {"learned"}}, "the letter is the same again"


ACTS = st.sampled_from([learn] * 5 + [delete] * 3)


@settings(deadline=None, max_examples=60)
@given(data=st.data())
async def test_whoever_reads_the_log_again_after_a_crash_decides_the_same(data: st.DataObject) -> None:
    """Whatever of a checkpoint the changelog has taken, and however far behind it the commit is."""
    count = data.draw(st.integers(2, 24))
    most = data.draw(st.integers(1, 3))
    records = [data.draw(ACTS)(at, data.draw(st.sampled_from("abcdef"))) for at in range(count)]
    wanted, table = await read(records, most)
    ends = sorted({*data.draw(st.lists(st.integers(1, count), max_size=5)), count})
    log = MemoryLog()
    engine = Torn(log, data.draw(st.integers(0, len(ends) - 1)), data.draw(st.integers(0, 8)))
    durable = [0]
    with pytest.raises(Ended):
        await read_on(worker(log, engine, most), records, ends, durable)
    committed = data.draw(st.sampled_from(durable))
    again = worker(log, engine, most)
    await again.take(run(*records[committed:], start=committed))
    await again.flush()
    assert decided(log) == wanted
    assert counts(engine.table) == counts(table)
    assert states(engine.table) == states(table)


def test_no_stream_has_the_name_of_the_count() -> None:
    step = Cluster(Meter("w", lambda: 1), lambda: 1)
    assert not isinstance(step.key(PointsObserved("/", 1, 1, np.zeros(1))), str)
    assert quota_key(7) == b"7//"
    assert pack(1, b"") != quota_key(7)
