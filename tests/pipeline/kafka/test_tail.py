"""Following the log: from where, until when, and never faster than the loop can take it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Sequence

import pytest

from pipeline.errors import LogUnavailable
from pipeline.kafka.record import Record
from pipeline.kafka.tail import BEGINNING, END, Tail
from pipeline.settings import KafkaSettings
from tests.pipeline.kafka.topics import NOBODY, Topics, until


class Heard(list[Record]):
    def take(self, records: Sequence[Record]) -> None:
        self.extend(records)

    @property
    def values(self) -> list[bytes | None]:
        return [record.value for record in self]


@pytest.fixture
def heard() -> Heard:
    return Heard()


async def test_it_begins_where_it_is_told(kafka: KafkaSettings, topics: Topics, topic: str, heard: Heard) -> None:
    for partition in range(3):
        topics.write(topic, [b"%d-%d" % (partition, n) for n in range(5)], partition)
    tail = Tail(kafka, "test", heard.take)
    await tail.start({(topic, 0): BEGINNING, (topic, 1): 3, (topic, 2): END})
    assert not tail.caught_up.is_set()
    await tail.caught_up.wait()
    assert sorted(it or b"" for it in heard.values) == [b"0-0", b"0-1", b"0-2", b"0-3", b"0-4", b"1-3", b"1-4"]
    topics.write(topic, [b"new"], 2)
    await until(lambda: b"new" in heard.values)
    assert tail.positions == {(topic, 0): 5, (topic, 1): 5, (topic, 2): 6}
    await tail.stop()


async def test_what_is_written_right_after_the_start_is_heard(
    kafka: KafkaSettings, topics: Topics, topic: str, heard: Heard
) -> None:
    topics.write(topic, [b"old"])
    tail = Tail(kafka, "test", heard.take)
    await tail.start({(topic, 0): END})
    topics.write(topic, [b"new"])
    await until(lambda: heard)
    await tail.stop()
    assert heard.values == [b"new"]


async def test_an_empty_topic_is_caught_up_with_at_once(kafka: KafkaSettings, topic: str, heard: Heard) -> None:
    tail = Tail(kafka, "test", heard.take)
    await tail.start({(topic, partition): BEGINNING for partition in range(3)})
    assert tail.caught_up.is_set()
    await tail.stop()


async def test_a_log_that_ends_with_a_transactions_marker_is_caught_up_with(
    kafka: KafkaSettings, topics: Topics, topic: str, heard: Heard
) -> None:
    topics.write_in_a_transaction(topic, [b"never said"], aborted=True)
    topics.write_in_a_transaction(topic, [b"a", b"b"])
    tail = Tail(kafka, "test", heard.take)
    await tail.start({(topic, 0): BEGINNING})
    async with asyncio.timeout(30):
        await tail.caught_up.wait()
    assert heard.values == [b"a", b"b"]
    assert tail.positions == {(topic, 0): 5}
    await tail.stop()


@pytest.mark.parametrize(("wanted", "got"), [(2, 6), (99, 10)])
async def test_a_start_that_is_not_there_is_moved_and_said(
    kafka: KafkaSettings, topics: Topics, topic: str, heard: Heard, wanted: int, got: int
) -> None:
    topics.write(topic, [b"%d" % n for n in range(10)])
    topics.delete_before(topic, 6)
    moves: list[tuple[str, int, int, int]] = []

    def moved(*move: object) -> None:
        assert threading.current_thread() is threading.main_thread()
        moves.append(move)  # type: ignore[arg-type]

    tail = Tail(kafka, "test", heard.take, moved=moved)
    await tail.start({(topic, 0): wanted, (topic, 1): END})
    assert moves == [(topic, 0, wanted, got)]
    await tail.caught_up.wait()
    assert heard.values == [b"%d" % n for n in range(got, 10)]
    await tail.stop()


async def test_a_loop_that_is_busy_is_not_flooded(kafka: KafkaSettings, topics: Topics, topic: str) -> None:
    topics.write(topic, [b"%d" % n for n in range(500)])
    loop, queued, most, heard = asyncio.get_running_loop(), 0, 0, Heard()
    call_soon = loop.call_soon_threadsafe

    def counting(function: Callable[..., object], *arguments: object, **named: object) -> asyncio.Handle:
        nonlocal queued, most
        if getattr(function, "__name__", "") == "_hand_over":
            queued += 1
            most = max(most, queued)
        return call_soon(function, *arguments, **named)  # type: ignore[arg-type]

    def take(records: Sequence[Record]) -> None:
        nonlocal queued
        queued -= 1
        heard.take(records)
        # The loop is held up while the reader reads on: what waits meanwhile must stay few.
        held.wait(0.02)

    held = threading.Event()
    tail = Tail(kafka, "test", take, run=5)
    loop.call_soon_threadsafe = counting  # type: ignore[method-assign,assignment]
    try:
        await tail.start({(topic, 0): BEGINNING})
        await tail.caught_up.wait()
    finally:
        del loop.call_soon_threadsafe
        await tail.stop()
    assert heard.values == [b"%d" % n for n in range(500)]
    assert 1 < most <= 4


async def test_stopping_ends_the_thread_and_nothing_is_heard_after(
    kafka: KafkaSettings, topics: Topics, topic: str, heard: Heard
) -> None:
    before = threading.active_count()
    tail = Tail(kafka, "test", heard.take, run=1)
    topics.write(topic, [b"x"] * 50)
    await tail.start({(topic, 0): BEGINNING})
    assert threading.active_count() > before
    await tail.stop()
    count = len(heard)
    topics.write(topic, [b"late"])
    await asyncio.sleep(0.2)
    assert len(heard) == count
    assert not [thread for thread in threading.enumerate() if thread.name == "tail"]
    await tail.stop()


async def test_a_tail_that_never_began_stops() -> None:
    await Tail(NOBODY, "test", lambda records: None).stop()


async def test_without_a_broker_the_start_fails(monkeypatch: pytest.MonkeyPatch, heard: Heard) -> None:
    monkeypatch.setattr("pipeline.kafka.tail.PATIENCE_S", 0.5)
    tail = Tail(NOBODY, "test", heard.take)
    with pytest.raises(LogUnavailable):
        await tail.start({("t", 0): END})
    await tail.stop()
