"""Several inputs and time into one state: what was applied first stays first, whoever takes over."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.exchange import Refused
from schemas.state import Sequenced
from tests.doubles.log import MemoryLog
from tests.topologies.relay import CODEC, LEFT, PATIENCE, RELAY, RIGHT, MemorySequence, Worker, left, right, told
from tests.topologies.tally import Ended, Record, Recovered
from topologies.framing import pack


@pytest.fixture
def log() -> MemoryLog:
    return MemoryLog()


@pytest.fixture
def engine(log: MemoryLog) -> Recovered:
    return Recovered(log)


@pytest.fixture
def sequence() -> MemorySequence:
    return MemorySequence()


async def test_two_inputs_change_one_state_in_the_order_in_which_they_come(
    log: MemoryLog, engine: Recovered, sequence: MemorySequence
) -> None:
    worker = Worker(log, engine, sequence)
    await worker.take(left(0), left(1))
    await worker.take(right(0))
    await worker.take(left(2))
    assert told(log) == [("a", "l0"), ("a", "l0,l1"), ("a", "l0,l1,r0"), ("a", "l0,l1,r0,l2")]
    assert [(entry.topic, entry.ends) for entry in sequence.entries] == [
        (LEFT.name, 2),
        (RIGHT.name, 1),
        (LEFT.name, 3),
    ]


async def test_the_order_is_written_before_anything_comes_of_it(
    log: MemoryLog, engine: Recovered, sequence: MemorySequence, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(partition: int, entry: Sequenced) -> int:
        assert not log.records
        raise OSError("the log is away")

    monkeypatch.setattr(sequence, "append", away)
    with pytest.raises(Ended, match="the log is away"):
        await Worker(log, engine, sequence).take(left(0))
    assert not log.records


async def test_after_a_crash_the_inputs_are_applied_as_they_were_though_they_come_otherwise(
    log: MemoryLog, engine: Recovered, sequence: MemorySequence
) -> None:
    first = Worker(log, engine, sequence)
    await first.take(left(0))
    await first.take(right(0), right(1))
    await first.take(left(1))
    before = told(log)
    log.records.clear()
    second = Worker(log, engine, sequence)  # nothing was remembered: all comes again
    await second.take(right(0), right(1), right(2))
    assert not log.records  # the left one comes first
    await second.take(left(0), left(1), left(2))
    assert told(log)[: len(before)] == before
    assert told(log)[len(before) :] == [("a", "l0,r0,r1,l1,r2"), ("a", "l0,r0,r1,l1,r2,l2")]


async def test_what_is_remembered_is_not_applied_again(
    log: MemoryLog, engine: Recovered, sequence: MemorySequence
) -> None:
    first = Worker(log, engine, sequence)
    event = await first.take(left(0), left(1, "b"))
    await first.point.flush()
    assert event.acked
    await first.take(right(0))
    log.records.clear()
    second = Worker(log, engine, sequence)  # the commit was lost too
    again = await second.take(left(0), left(1, "b"))
    await second.take(right(0), right(1, "b"))
    assert told(log) == [("a", "l0,r0"), ("b", "l1,r1")]
    await second.point.flush()
    assert again.acked


async def test_a_run_is_acknowledged_when_its_turn_has_come_and_not_before(
    log: MemoryLog, engine: Recovered, sequence: MemorySequence
) -> None:
    await Worker(log, engine, sequence).take(left(0))
    second = Worker(log, engine, sequence)
    early = await second.take(right(0))
    await second.point.flush()
    assert not early.acked
    await second.take(left(0))
    await second.point.flush()
    assert early.acked


async def test_a_key_is_due_though_no_record_comes_and_nothing_of_it_is_in_memory(
    log: MemoryLog, engine: Recovered, sequence: MemorySequence
) -> None:
    first = Worker(log, engine, sequence)
    await first.take(left(0))
    await first.point.flush()
    log.records.clear()
    second = Worker(log, engine, sequence, left=1)
    second.now = PATIENCE - 1
    await second.wake()
    assert not told(log)
    second.now = PATIENCE
    await second.wake()
    await second.wake()
    assert told(log) == [("a", "l0,t")]
    assert sequence.entries[-1] == Sequenced(None, 0, PATIENCE)


async def test_what_fell_due_before_a_crash_is_told_again_from_the_same_position(
    log: MemoryLog, engine: Recovered, sequence: MemorySequence
) -> None:
    first = Worker(log, engine, sequence)
    await first.take(left(0), left(1, "b"))
    first.now = PATIENCE
    await first.wake()
    await first.take(right(0))
    [*before] = log.records
    log.records.clear()
    second = Worker(log, engine, sequence)
    second.now = PATIENCE * 9
    await second.take(right(0))
    await second.take(left(0), left(1, "b"))
    assert log.records[: len(before)] == before


async def test_a_key_that_is_due_again_is_told_in_its_time(
    log: MemoryLog, engine: Recovered, sequence: MemorySequence
) -> None:
    worker = Worker(log, engine, sequence)
    await worker.take(left(0), left(1))  # the second puts it off by a millisecond
    worker.now = PATIENCE
    await worker.wake()
    assert told(log)[-1] == ("a", "l0,l1")
    worker.now = PATIENCE + 1000
    await worker.wake()
    assert told(log)[-1] == ("a", "l0,l1,t")


async def test_a_partition_that_is_given_away_while_it_is_begun_applies_nothing(
    log: MemoryLog, engine: Recovered, sequence: MemorySequence, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = Worker(log, engine, sequence)
    await first.take(left(0))
    await first.point.flush()
    await first.take(left(1))
    log.records.clear()
    read = sequence.read

    async def rebalance(partition: int, start: int) -> tuple[Sequence[tuple[int, Sequenced]], int]:
        entries = await read(partition, start)
        engine.generation += 1
        engine.table.clear()  # as Faust does with what is another's by now
        return entries

    monkeypatch.setattr(sequence, "read", rebalance)
    second = Worker(log, engine, sequence, left=1)
    second.now = PATIENCE * 9
    event = await second.take(left(1))
    await second.wake()
    await second.point.flush()
    assert not log.records
    assert not event.acked


async def test_another_worker_that_writes_to_the_order_is_noticed_before_anything_comes_of_it(
    log: MemoryLog, engine: Recovered, sequence: MemorySequence
) -> None:
    worker = Worker(log, engine, sequence)
    await worker.take(left(0))
    sequence.entries.append(Sequenced(RIGHT.name, 1, 0))
    with pytest.raises(Ended, match="another worker has written"):
        await worker.take(left(1))
    assert told(log) == [("a", "l0")]
    log.records.clear()
    after = Worker(log, engine, sequence)
    await after.take(left(0), left(1))
    await after.take(right(0))
    assert told(log) == [("a", "l0"), ("a", "l0,r0"), ("a", "l0,r0,l1")]


async def test_a_state_behind_the_commit_of_one_input_ends_the_worker(
    log: MemoryLog, engine: Recovered, sequence: MemorySequence
) -> None:
    engine.table[b"0/"] = pack(1, b'{"applied": {"relay.left.v1": 3, "relay.right.v1": 9}, "at": 0}')
    with pytest.raises(Ended, match=r"relay.left.v1-0: the state has reached 3 but 5 is committed"):
        await Worker(log, engine, sequence, left=5, right=9).take(right(9))


async def test_what_cannot_be_used_is_a_dead_letter_of_its_own_input(
    log: MemoryLog, engine: Recovered, sequence: MemorySequence
) -> None:
    await Worker(log, engine, sequence).take(right(0, source="refuse"), right(1))
    [letter] = [CODEC.decode(each.value or b"", Refused) for each in log.of(RIGHT.refused)]
    assert (letter.topic, letter.source_offset, letter.reason) == (RIGHT.name, 0, "unwanted")
    assert told(log) == [("a", "r1")]


async def test_the_order_has_a_topic_that_is_kept_as_long_as_the_inputs_are() -> None:
    assert RELAY.sequence.name == "relay.sequenced.v1"
    assert RELAY.sequence.retention == max(LEFT.retention, RIGHT.retention)
    assert RELAY.sequence.settings["cleanup.policy"] == "delete"


Act = tuple[str, int]
ACTS = st.lists(
    st.tuples(st.sampled_from(["left", "right", "wake", "commit", "flush", "tear", "crash"]), st.integers(1, 3)),
    min_size=1,
    max_size=40,
)


@settings(max_examples=150, deadline=None)
@given(ACTS)
async def test_whatever_comes_between_all_that_is_sent_on_is_what_the_log_says_it_is(acts: list[Act]) -> None:
    """A crash loses what is not in the log: the commit of what is remembered, or the rest of what was being remembered.
    Each output of a position is the same however often it is sent, and is what
    a worker sends that never crashed and follows the same order."""
    log, sequence = MemoryLog(), MemorySequence()
    engine = Recovered(log)
    worker, committed, time = Worker(log, engine, sequence), {"left": 0, "right": 0}, 0
    for act, size in acts:
        time += size * PATIENCE // 3
        worker.now = time
        if act in committed:
            await _read_on(worker, act, size)
        elif act == "wake":
            await worker.wake()
        elif act in ("commit", "flush"):
            await worker.point.flush()
            committed = _applied(worker, committed) if act == "commit" else committed
        else:
            engine.torn_after = size - 1 if act == "tear" else None
            if act == "tear":
                await worker.point.flush()
            engine.torn_after = None
            worker = Worker(log, engine, sequence, **committed)
    undisturbed = MemoryLog()
    follower = Worker(undisturbed, Recovered(undisturbed), sequence)
    for entry in list(sequence.entries):
        if entry.topic is not None:
            await _read_on(follower, "left" if entry.topic == LEFT.name else "right", 3, until=entry.ends)
    await follower.wake()
    wanted = {(each.key, each.value) for each in undisturbed.records}
    assert {(each.key, each.value) for each in log.records} <= wanted
    assert not follower.point._partitions or not follower.point._partitions[0].memory.order.ahead


async def _read_on(worker: Worker, side: str, size: int, until: int | None = None) -> None:
    """The input's next records, of two keys."""
    make, topic = (left, LEFT.name) if side == "left" else (right, RIGHT.name)
    held = worker.point._partitions.get(0)
    begins = worker.starts[topic] if held is None else held.due[topic]
    ends = begins + size if until is None else until
    records: list[Record] = [make(offset, "ab"[offset % 2]) for offset in range(begins, ends)]
    if records:
        await worker.take(*records)


def _applied(worker: Worker, before: dict[str, int]) -> dict[str, int]:
    held = worker.point._partitions.get(0)
    if held is None:
        return before
    return {"left": held.applied[LEFT.name], "right": held.applied[RIGHT.name]}
