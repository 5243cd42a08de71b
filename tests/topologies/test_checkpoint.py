"""The state protocol, one promise at a time."""

from __future__ import annotations

import asyncio
import contextlib

import pytest

from schemas.clustering.topics import OBSERVED, OUTLIERS
from schemas.exchange import Refused
from tests.doubles.log import MemoryLog, settle
from tests.topologies.tally import CODEC, Ended, Recovered, checkpoint, record, run, seen
from topologies.checkpoint import Rhythm
from topologies.framing import pack, unpack
from topologies.quota import quota_key
from topologies.states import MAX_SNAPSHOT


@pytest.fixture
def log() -> MemoryLog:
    return MemoryLog()


@pytest.fixture
def engine(log: MemoryLog) -> Recovered:
    return Recovered(log)


async def test_a_run_is_applied_in_order_and_acknowledged_at_the_checkpoint(log: MemoryLog, engine: Recovered) -> None:
    point = checkpoint(log, engine)
    event = run(record(0), record(1), record(2))
    await point.take(event)
    assert event.acks == 0
    await point.flush()
    assert event.acks == 1
    assert seen(engine) == [0, 1, 2]


async def test_nothing_is_remembered_before_every_output_is_durable() -> None:
    log = MemoryLog(hold=True)
    engine = Recovered(log)
    point = checkpoint(log, engine)
    event = run(record(0))
    await point.take(event)
    flushing = asyncio.create_task(point.flush())
    await settle()
    assert not engine.remembered
    assert not event.acked
    log.land()
    await flushing
    assert engine.landed_before == [0]
    assert event.acked


async def test_an_output_that_cannot_be_made_durable_ends_the_worker_unacknowledged() -> None:
    log = MemoryLog(hold=True)
    engine = Recovered(log)
    point = checkpoint(log, engine)
    event = run(record(0))
    await point.take(event)
    flushing = asyncio.create_task(point.flush())
    await settle()
    log.land(error="timed out")
    with pytest.raises(Ended, match="did not confirm"):
        await flushing
    assert not event.acked
    assert not engine.remembered


async def test_what_a_state_owes_is_told_before_it_is_remembered(log: MemoryLog, engine: Recovered) -> None:
    point = checkpoint(log, engine)
    await point.take(run(record(0), record(1)))
    assert len(log.of(OUTLIERS.name)) == 2
    await point.flush()
    assert len(log.of(OUTLIERS.name)) == 3


async def test_records_a_state_has_applied_are_skipped_after_a_crash(log: MemoryLog, engine: Recovered) -> None:
    first = checkpoint(log, engine)
    await first.take(run(record(0), record(1, "b"), record(2)))
    await first.flush()
    second = checkpoint(log, engine)  # the commit was lost: everything is read again, and one record more
    event = run(record(0), record(1, "b"), record(2), record(3))
    await second.take(event)
    await second.flush()
    assert event.acked
    assert seen(engine, "a") == [0, 2, 3]
    assert seen(engine, "b") == [1]


async def test_a_run_that_begins_later_than_the_last_one_ended_ends_the_worker(
    log: MemoryLog, engine: Recovered
) -> None:
    point = checkpoint(log, engine)
    await point.take(run(record(0)))
    with pytest.raises(Ended, match="begins at 2 where 1 is due"):
        await point.take(run(record(2)))


async def test_the_first_run_begins_where_the_group_has_committed_or_the_worker_ends(
    log: MemoryLog, engine: Recovered
) -> None:
    with pytest.raises(Ended, match="begins at 7 where 5 is due"):
        await checkpoint(log, engine).take(run(record(7), start=5))


async def test_a_hole_that_the_broker_has_confirmed_is_passed(log: MemoryLog, engine: Recovered) -> None:
    point = checkpoint(log, engine)
    await point.take(run(record(0)))
    await point.take(run(record(5), begins=1))
    await point.take(run(record(6)))
    await point.flush()
    assert seen(engine) == [0, 5, 6]


async def test_a_state_behind_the_commit_ends_the_worker(log: MemoryLog, engine: Recovered) -> None:
    engine.table[b"0/"] = pack(3, b"")
    with pytest.raises(Ended, match="has reached 3 but 5 is committed"):
        await checkpoint(log, engine).take(run(record(5), start=5))


async def test_a_run_of_an_assignment_that_is_over_is_left_to_others(log: MemoryLog, engine: Recovered) -> None:
    point = checkpoint(log, engine)
    engine.generation = 2
    event = run(record(0), generation=1)
    await point.take(event)
    await point.flush()
    assert not event.acked
    assert not log.records


async def test_a_new_epoch_forgets_what_was_not_remembered(log: MemoryLog, engine: Recovered) -> None:
    point = checkpoint(log, engine)
    await point.take(run(record(0)))
    await point.flush()
    await point.take(run(record(1)))  # never flushed: the partition is taken away and comes back
    engine.generation = 2
    event = run(record(1), record(2), start=1, epoch=2, generation=2)
    await point.take(event)
    await point.flush()
    assert event.acked
    assert seen(engine) == [0, 1, 2]


async def test_a_generation_that_ends_during_a_checkpoint_is_not_acknowledged() -> None:
    log = MemoryLog(hold=True)
    engine = Recovered(log)
    point = checkpoint(log, engine)
    event = run(record(0))
    await point.take(event)
    flushing = asyncio.create_task(point.flush())
    await settle()
    engine.generation = 2
    log.land()
    await flushing
    assert not event.acked
    assert not engine.remembered


async def test_a_cancelled_run_leaves_nothing_behind(log: MemoryLog, engine: Recovered) -> None:
    point = checkpoint(log, engine, Rhythm(breath_seconds=0))
    event = run(*(record(offset) for offset in range(50)))
    taking = asyncio.create_task(point.take(event))
    await settle(3)
    taking.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await taking
    assert 0 < len(log.records) < 50
    await point.flush()
    assert not engine.remembered
    engine.generation = 2
    again = run(*(record(offset) for offset in range(50)), epoch=2, generation=2)
    await point.take(again)
    await point.flush()
    assert seen(engine) == list(range(50))


async def test_a_poison_record_goes_to_the_dead_letters_and_the_run_goes_on(log: MemoryLog, engine: Recovered) -> None:
    point = checkpoint(log, engine)
    event = run(record(0), record(1, value=b"\0\0\0\0\1garbage"), record(2))
    await point.take(event)
    await point.flush()
    assert event.acked
    assert seen(engine) == [0, 2]
    letters = [CODEC.decode(each.value or b"", Refused) for each in log.of(OBSERVED.refused)]
    assert [(letter.source_offset, letter.reason, letter.schema_id) for letter in letters] == [(1, "avro_invalid", 1)]
    assert letters[0].value == b"\0\0\0\0\1garbage"


async def test_what_may_have_no_name_gets_no_state(log: MemoryLog, engine: Recovered) -> None:
    """Least of all the empty one, under which the partition's own record stands: it would not be read as a state."""
    first = checkpoint(log, engine)
    await first.take(run(record(0), record(1, "")))
    await first.flush()
    after_a_crash = checkpoint(log, engine)
    await after_a_crash.take(run(record(2, ""), *(record(offset, "") for offset in range(3, 20)), start=2))
    await after_a_crash.flush()
    assert {key for _, keys in engine.remembered for key in keys} == {b"0/a", b"0/", quota_key(0)}
    letters = [CODEC.decode(each.value or b"", Refused) for each in log.of(OBSERVED.refused)]
    assert [letter.source_offset for letter in letters] == list(range(1, 20))
    assert {letter.reason for letter in letters} == {"unnamed"}


async def test_a_refused_record_counts_as_applied(log: MemoryLog, engine: Recovered) -> None:
    first = checkpoint(log, engine)
    await first.take(run(record(0, source="refuse"), record(1)))
    await first.flush()
    await checkpoint(log, engine).take(run(record(0, source="refuse"), record(1)))
    assert len(log.of(OBSERVED.refused)) == 1


async def test_a_key_that_lies_elsewhere_is_refused(log: MemoryLog, engine: Recovered) -> None:
    point = checkpoint(log, engine)
    stray = record(0, "a")
    stray.key = b"b"
    await point.take(run(stray))
    [letter] = [CODEC.decode(each.value or b"", Refused) for each in log.of(OBSERVED.refused)]
    assert letter.reason == "key_mismatch"


async def test_a_state_too_large_to_keep_is_given_up_and_the_partition_goes_on(
    log: MemoryLog, engine: Recovered
) -> None:
    point = checkpoint(log, engine)
    event = run(record(0, "big", source="grow"), record(1, "small"))
    await point.take(event)
    await point.flush()
    assert event.acked
    assert b"may have" in engine.table[b"0/big"]
    assert len(engine.table[b"0/big"]) < MAX_SNAPSHOT
    assert seen(engine, "small") == [1]


async def test_a_step_that_raises_ends_the_worker_with_the_reason(log: MemoryLog, engine: Recovered) -> None:
    point = checkpoint(log, engine)
    with pytest.raises(Ended, match="RuntimeError: the step is broken"):
        await point.take(run(record(0, source="raise")))


async def test_the_pulse_makes_the_tail_of_a_quiet_stream_durable(log: MemoryLog, engine: Recovered) -> None:
    point = checkpoint(log, engine, Rhythm(seconds=0, pulse_seconds=0))
    event = run(record(0))
    await point.take(event)
    pulse = asyncio.create_task(point.pulse())
    async with asyncio.timeout(10):
        while not event.acked:  # noqa: ASYNC110  (an event of the double has nothing to wait on)
            await asyncio.sleep(0.001)
    pulse.cancel()
    assert seen(engine) == [0]


async def test_states_not_in_use_are_let_go_and_come_back_from_the_changelog(log: MemoryLog, engine: Recovered) -> None:
    point = checkpoint(log, engine, max_live=2)
    await point.take(run(record(0, "a"), record(1, "b"), record(2, "c")))
    await point.flush()
    await point.take(run(record(3, "a")))
    await point.flush()
    assert seen(engine, "a") == [0, 3]


async def test_the_partitions_own_record_comes_last_and_says_how_far_it_is(log: MemoryLog, engine: Recovered) -> None:
    point = checkpoint(log, engine)
    await point.take(run(record(0), record(1)))
    await point.flush()
    assert engine.remembered == [(0, [b"0/a", b"0/"])]
    assert unpack(engine.table[b"0/"]) == (2, b"")
