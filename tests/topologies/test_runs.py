"""Runs have no holes: what a fetch brings is held against what is due."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NoReturn

import pytest
from faust.types import TP
from mode import Service

from topologies.app import create_app
from topologies.domains import load
from topologies.runs import Run, RunConsumer
from topologies.settings import WorkerSettings
from topologies.spans import Span

TOPIC = "points.observed.v1"
PLACE = TP(TOPIC, 0)
CHANGELOG = TP("thalweg-workers-points-observed-changelog", 0)


@dataclass
class Fetched:
    """As aiokafka's ConsumerRecord."""

    offset: int
    topic: str = TOPIC
    partition: int = 0
    timestamp: int = 1
    timestamp_type: int = 0
    headers: tuple[Any, ...] = ()
    key: bytes | None = b"k"
    value: bytes | None = b"v"
    checksum: None = None
    serialized_key_size: int = 1
    serialized_value_size: int = 1


class Scripted(RunConsumer):
    """A consumer whose broker is a script: fetches in turn, a committed offset, an oldest offset."""

    fetches: list[dict[TP, list[Fetched]]]
    committed: int | None
    seeks: list[int]
    changelog_seeks: list[int]
    active: set[TP]
    recovers: bool

    async def perform_seek(self) -> None:
        """And what Faust's recovery does next."""
        await super().perform_seek()
        if self.recovers:
            self.resume()

    def resume(self) -> None:
        self.app.flow_control.resume()
        self.resume_flow()

    def _new_consumer_thread(self) -> Any:
        """Any service will do: nothing is fetched here, and the real one brings an event loop of its own."""
        return Service()

    def _get_active_partitions(self) -> set[TP]:
        return self.active

    async def _fetch(self, timeout: float) -> Any:
        fetch, records = self._custody.fetch(), self.fetches.pop(0) if self.fetches else {}
        self._custody.took(fetch, records)
        return fetch, records

    async def seek_to_committed(self) -> dict[TP, int]:
        return {} if self.committed is None else {PLACE: self.committed}

    async def earliest_offsets(self, *_places: TP) -> dict[TP, int]:
        return {PLACE: 100}

    async def seek_wait(self, places: Any) -> None:
        for place, offset in places.items():
            (self.seeks if place == PLACE else self.changelog_seeks).append(offset)

    def assignment(self) -> set[TP]:
        return {PLACE, CHANGELOG}


@pytest.fixture
async def consumer(tmp_path: Path) -> Scripted:
    app = create_app(WorkerSettings(data_dir=tmp_path), load("clustering"))
    app.consumer_generation_id = 1
    app.flow_control.resume()

    async def nothing(*_: Any) -> None: ...

    made = Scripted(app.transport, nothing, nothing, nothing)
    made.fetches, made.committed, made.seeks, made.changelog_seeks = [], 5, [], []
    made.flow_active, made.active, made.recovers = True, {PLACE, CHANGELOG}, True
    return made


def records(offsets: Iterable[int]) -> dict[TP, list[Fetched]]:
    return {PLACE: [Fetched(offset) for offset in offsets]}


async def read(consumer: Scripted) -> list[Any]:
    """Everything the script has, as the agent gets it."""
    runs = []
    while consumer.fetches:
        async for _, message in consumer.getmany(1.0):
            runs.append(message.value)
    return runs


def spans(runs: list[Run]) -> list[tuple[int, int, int]]:
    return [(run.begins, run.records[0].offset, run.ends) for run in runs]


async def test_runs_follow_from_the_committed_offset(consumer: Scripted) -> None:
    await consumer.perform_seek()
    consumer.fetches = [records(range(5, 8)), records(range(8, 9))]
    runs = await read(consumer)
    assert spans(runs) == [(5, 5, 8), (8, 8, 9)]
    assert {run.start for run in runs} == {5}


async def test_a_partition_never_committed_is_read_from_its_oldest_record(consumer: Scripted) -> None:
    consumer.committed = None
    await consumer.perform_seek()
    consumer.fetches = [records([100, 101])]
    assert spans(await read(consumer)) == [(100, 100, 102)]


async def test_a_run_fetched_before_the_seek_is_not_passed_on(consumer: Scripted) -> None:
    consumer.fetches = [records([9, 10])]
    assert await read(consumer) == []
    await consumer.perform_seek()
    consumer.fetches = [records([5])]
    assert spans(await read(consumer)) == [(5, 5, 6)]


async def test_a_run_fetched_between_the_seek_and_the_epoch_is_fetched_again(
    consumer: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No record comes after it: were it not asked for again, its partition would stand still."""

    async def oldest(*_places: TP) -> dict[TP, int]:
        consumer.fetches = [records([100, 101])]
        assert await read(consumer) == []
        return {PLACE: 100}

    consumer.committed = None
    monkeypatch.setattr(consumer, "earliest_offsets", oldest)
    await consumer.perform_seek()
    assert consumer.seeks == [100]
    consumer.fetches = [records([100, 101])]
    assert spans(await read(consumer)) == [(100, 100, 102)]


async def test_a_run_of_a_paused_partition_is_fetched_again(consumer: Scripted) -> None:
    await consumer.perform_seek()
    consumer.active = {CHANGELOG}
    consumer.fetches = [records([5, 6])]
    assert await read(consumer) == []
    consumer.active = {PLACE}
    consumer.fetches = [records([5, 6])]
    assert spans(await read(consumer)) == [(5, 5, 7)]
    assert consumer.seeks == [5, 5]


async def test_a_run_of_an_older_assignment_is_not_passed_on(consumer: Scripted) -> None:
    await consumer.perform_seek()
    consumer.app.consumer_generation_id = 2
    consumer.fetches = [records([5])]
    assert await read(consumer) == []


async def test_a_run_ahead_of_what_is_due_is_fetched_again(consumer: Scripted) -> None:
    await consumer.perform_seek()
    consumer.fetches = [records([7, 8]), records(range(5, 9))]
    assert spans(await read(consumer)) == [(5, 5, 9)]
    assert consumer.seeks == [5, 5]


async def test_what_the_broker_twice_does_not_have_is_passed_with_its_place_kept(consumer: Scripted) -> None:
    await consumer.perform_seek()
    consumer.fetches = [records([7, 8]), records([7, 8]), records([9])]
    assert spans(await read(consumer)) == [(5, 7, 9), (9, 9, 10)]
    assert consumer.seeks == [5, 5]


async def test_offsets_without_a_record_are_part_of_a_run(consumer: Scripted, caplog: pytest.LogCaptureFixture) -> None:
    """A fetch that began where it was due brought all there is: aborted records, markers and holes are not waited
    for, and nothing is read again."""
    await consumer.perform_seek()
    consumer.fetches = [span(5, [7, 8], 10), span(10, [], 14), span(14, [14], 15)]
    runs = await read(consumer)
    assert [(run.begins, [record.offset for record in run.records], run.ends) for run in runs] == [
        (5, [7, 8], 10),
        (10, [], 14),
        (14, [14], 15),
    ]
    assert consumer.seeks == [5]
    assert not [line for line in caplog.records if line.levelname in ("WARNING", "ERROR")]


async def test_a_span_that_begins_behind_what_is_due_is_read_again(consumer: Scripted) -> None:
    await consumer.perform_seek()
    consumer.fetches = [span(7, [8], 9), span(5, [5, 8], 9)]
    assert spans(await read(consumer)) == [(5, 5, 9)]
    assert consumer.seeks == [5, 5]


async def test_recovery_comes_past_a_changelogs_end_that_holds_no_record(consumer: Scripted) -> None:
    consumer.fetches = [{CHANGELOG: Span([Fetched(3, CHANGELOG.topic)], 0, 6)}]
    assert await offsets_read(consumer) == [3]
    assert consumer.app.tables.recovery.active_offsets[CHANGELOG] == 5  # type: ignore[attr-defined]


def span(begins: int, offsets: Iterable[int], ends: int) -> dict[TP, list[Fetched]]:
    return {PLACE: Span([Fetched(offset) for offset in offsets], begins, ends)}


async def test_a_run_that_slips_further_is_asked_for_again(consumer: Scripted) -> None:
    await consumer.perform_seek()
    consumer.fetches = [records([7, 8]), records([9]), records(range(5, 10))]
    assert spans(await read(consumer)) == [(5, 5, 10)]
    assert consumer.seeks == [5, 5, 5]


async def test_what_was_passed_on_already_is_cut_off(consumer: Scripted) -> None:
    await consumer.perform_seek()
    consumer.fetches = [records([5, 6]), records([5, 6]), records([6, 7])]
    assert spans(await read(consumer)) == [(5, 5, 7), (7, 7, 8)]


async def test_a_run_waits_until_faust_listens(consumer: Scripted) -> None:
    await consumer.perform_seek()
    consumer.app.flow_control.suspend()
    consumer.fetches = [records([5])]
    reading = asyncio.create_task(read(consumer))
    await asyncio.sleep(0.02)
    assert not reading.done()
    consumer.app.flow_control.resume()
    assert spans(await reading) == [(5, 5, 6)]


async def test_a_run_waits_for_the_resumption_that_empties_the_streams(consumer: Scripted) -> None:
    """After a recovery flow control is active all along, and is resumed once more behind the seek."""
    consumer.recovers = False
    await consumer.perform_seek()
    assert consumer.app.flow_control.is_active()
    consumer.fetches = [records([5])]
    reading = asyncio.create_task(read(consumer))
    await asyncio.sleep(0.02)
    assert not reading.done()
    consumer.resume()
    assert spans(await reading) == [(5, 5, 6)]


async def test_a_run_held_while_the_partitions_go_is_not_passed_on(consumer: Scripted) -> None:
    await consumer.perform_seek()
    consumer.app.flow_control.suspend()
    consumer.fetches = [records([5])]
    reading = asyncio.create_task(read(consumer))
    await asyncio.sleep(0.02)
    consumer.app.consumer_generation_id = 2
    consumer.app.flow_control.resume()
    assert await reading == []


async def test_a_new_seek_is_a_new_epoch(consumer: Scripted) -> None:
    await consumer.perform_seek()
    consumer.fetches = [records([5, 6])]
    [first] = await read(consumer)
    consumer.committed = 6
    await consumer.perform_seek()
    consumer.fetches = [records([6])]
    [second] = await read(consumer)
    assert second.epoch > first.epoch
    assert (second.start, second.begins) == (6, 6)


async def test_changes_come_as_the_records_of_a_fetch(consumer: Scripted) -> None:
    await consumer.perform_seek()
    first, second = changes([0, 1]), changes([5])
    consumer.fetches = [first, second]
    assert await read(consumer) == [first[CHANGELOG], second[CHANGELOG]]


def changes(offsets: Iterable[int]) -> dict[TP, list[Fetched]]:
    return {CHANGELOG: [Fetched(offset, CHANGELOG.topic) for offset in offsets]}


async def offsets_read(consumer: Scripted) -> list[int]:
    """Of the changelog, as recovery gets them."""
    offsets = []
    while consumer.fetches:
        async for _, message in consumer.getmany(1.0):
            offsets += [record.offset for record in message.value]
            consumer.app.tables.recovery.active_offsets[CHANGELOG] = message.offset  # type: ignore[attr-defined]
    return offsets


async def test_changes_fetched_while_the_flow_stops_are_asked_for_again(consumer: Scripted) -> None:
    """Recovery would wait for them for ever."""
    consumer.fetches = [changes([0, 1]), changes([0, 1, 2])]
    fetch = consumer._fetch

    async def stopped_meanwhile(timeout: float) -> Any:
        fetched = await fetch(timeout)
        consumer.stop_flow()
        return fetched

    consumer._fetch = stopped_meanwhile  # type: ignore[method-assign]
    assert [message async for _, message in consumer.getmany(1.0)] == []
    consumer._fetch = fetch  # type: ignore[method-assign]
    consumer.resume()
    assert await offsets_read(consumer) == [0, 1, 2]
    assert consumer.changelog_seeks == [0]


async def test_changes_are_read_on_from_where_recovery_is(consumer: Scripted) -> None:
    consumer.fetches = [changes([3, 4])]
    assert await offsets_read(consumer) == [3, 4]
    consumer.active = {PLACE}
    consumer.fetches = [changes([5, 6])]
    assert await offsets_read(consumer) == []
    consumer.active = {CHANGELOG}
    consumer.fetches = [changes([5, 6, 7])]
    assert await offsets_read(consumer) == [5, 6, 7]
    assert consumer.changelog_seeks == [5]


async def test_nothing_is_handed_on_behind_what_a_given_up_fetch_took(consumer: Scripted) -> None:
    """Later changes would pass for all there are, and a state would come back old."""
    consumer.fetches = [changes([2, 3]), changes([0, 1, 2, 3])]
    fetch = consumer._fetch

    async def beside_another(timeout: float) -> Any:
        consumer._custody.took(consumer._custody.fetch(), [CHANGELOG])
        return await fetch(timeout)

    consumer._fetch = beside_another  # type: ignore[method-assign]
    assert [message async for _, message in consumer.getmany(1.0)] == []
    consumer._fetch = fetch  # type: ignore[method-assign]
    assert await offsets_read(consumer) == [0, 1, 2, 3]
    assert consumer.changelog_seeks == [0]


@pytest.mark.parametrize(("reached", "due"), [(-1, 0), (2, 3)], ids=["dropped", "taken in"])
async def test_changes_of_an_assignment_that_ends_meanwhile_are_asked_for_again(
    consumer: Scripted, reached: int, due: int
) -> None:
    consumer.fetches = [changes([0, 1, 2]), changes(range(due, 4))]
    async for _ in consumer.getmany(1.0):
        consumer.app.tables.recovery.active_offsets[CHANGELOG] = reached  # type: ignore[attr-defined]
        consumer.app.consumer_generation_id = 2
    assert await offsets_read(consumer) == list(range(due, 4))
    assert consumer.changelog_seeks == [due]


async def test_a_recovery_that_stands_still_asks_again(consumer: Scripted, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("topologies.fetching.RECOVERY_SECONDS", 0.01)
    recovery = consumer.app.tables.recovery  # type: ignore[attr-defined]
    recovery.active_highwaters[CHANGELOG], recovery.active_offsets[CHANGELOG] = 1, -1
    recovery.in_recovery = True
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(0.2):
            await consumer._watch_recovery(consumer)
    consumer.fetches = [changes([0, 1])]
    assert await offsets_read(consumer) == [0, 1]
    assert consumer.changelog_seeks == [0]


async def test_acknowledged_runs_are_committed_to_the_greatest(consumer: Scripted) -> None:
    await consumer.perform_seek()
    consumer._acked[PLACE] = [7, 9, 12]
    assert consumer._new_offset(PLACE) == 13
    assert consumer._new_offset(PLACE) is None


async def test_partitions_are_flushed_and_committed_before_they_are_given_away(
    consumer: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[str] = []

    async def commit(*_: Any, **__: Any) -> bool:
        done.append("commit")
        return True

    async def flush() -> None:
        done.append("flush")

    object.__setattr__(consumer._reading, "before_revoke", flush)
    monkeypatch.setattr(consumer, "commit", commit)
    await consumer.on_partitions_revoked({PLACE})
    assert done == ["flush", "commit"]


@pytest.mark.parametrize(
    ("error", "ends"), [(RuntimeError("Did we not perform bootstrap?"), True), (None, False)], ids=["ended", "alive"]
)
async def test_a_worker_whose_membership_has_ended_ends_too(
    consumer: Scripted, error: Exception | None, ends: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("topologies.runs.WATCH_SECONDS", 0.01)
    said: list[str] = []

    def die(reason: str) -> NoReturn:
        said.append(reason)
        raise SystemExit(reason)

    consumer._reading = replace(consumer._reading, die=die)
    membership: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    if error is not None:
        membership.set_exception(error)
    coordinator = SimpleNamespace(_coordination_task=membership)
    consumer._thread = SimpleNamespace(_consumer=SimpleNamespace(_coordinator=coordinator))  # type: ignore[assignment]
    with contextlib.suppress(SystemExit, TimeoutError):
        async with asyncio.timeout(0.2):
            await consumer._watch_membership(consumer)
    assert bool(said) == ends
    assert all("Did we not perform bootstrap?" in reason for reason in said)
