"""Streams as one process knows them: callers read what they were told, and rates are what was counted."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import pytest

from ingest_api.clustering.streams import MAX_TOLD, WINDOW_MICROSECONDS, Streams
from pipeline.clustering import tell
from pipeline.clustering.state import StreamState
from pipeline.kafka.record import Record
from pipeline.settings import KafkaSettings
from pipeline.telemetry import Meter
from schemas.clustering.topics import CLUSTERS
from schemas.codec import Codec

CODEC = Codec()
SECOND = 1_000_000


@dataclass
class Clock:
    now: int = 1_700_000_000 * SECOND

    def __call__(self) -> int:
        return self.now


class Known(Streams):
    """Streams that are told what the log holds by a test."""

    def __init__(self) -> None:
        self.clock = Clock()
        super().__init__(KafkaSettings(), CODEC, self.clock, 0)
        self._meter = Meter("w", self.clock)

    def update(self, offset: int, *, points: int = 0, stream: str = "s", created_at: int = 0) -> None:
        state = StreamState(created_at=created_at, points=points, stream=stream, offset=offset)
        self._record(stream, CODEC.encode(tell.updated(state, self._meter, self.clock.now)))

    def delete(self, stream: str = "s") -> None:
        self._record(stream, None)

    def _record(self, stream: str, value: bytes | None) -> None:
        self.view.take([Record(CLUSTERS.name, 0, 0, 0, stream.encode(), value)])


async def test_who_was_told_of_a_position_waits_for_it() -> None:
    streams = Known()
    streams.update(6)
    streams.heed("s", 7)
    reading = asyncio.create_task(streams.read("s"))
    await asyncio.sleep(0.01)
    assert not reading.done()
    streams.update(8)
    entry = await reading
    assert entry is not None
    assert entry.source_offset == 8


async def test_who_was_told_of_what_is_seen_already_does_not_wait() -> None:
    streams = Known()
    streams.update(7)
    streams.heed("s", 7)
    assert streams._told == {}


async def test_a_position_that_never_shows_is_waited_for_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ingest_api.clustering.streams.CATCH_UP_SECONDS", 0.01)
    streams = Known()
    streams.heed("s", 7)
    assert await streams.read("s") is None
    assert streams._told == {}


async def test_who_was_told_of_new_streams_finds_them_in_the_list() -> None:
    streams = Known()
    for name in ("a", "b"):
        streams.heed(name, 7)
    listing = asyncio.create_task(streams.read_all())
    for name in ("a", "b"):
        await asyncio.sleep(0.01)
        assert not listing.done()
        streams.heed("later", 1)  # by another caller, whose stream nobody who asked before waits for
        streams.update(7, stream=name)
    assert set(await listing) == {"a", "b"}


async def test_who_reads_does_not_wait_for_what_others_are_told_meanwhile() -> None:
    streams = Known()
    streams.heed("s", 7)
    reading = asyncio.create_task(streams.read("s"))
    await asyncio.sleep(0)
    streams.heed("s", 8)
    streams.update(7)
    entry = await reading
    assert entry is not None
    assert (entry.source_offset, streams._told) == (7, {"s": 8})


async def test_a_list_waits_for_what_never_shows_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ingest_api.clustering.streams.CATCH_UP_SECONDS", 0.01)
    streams = Known()
    streams.heed("s", 7)
    assert await streams.read_all() == {}
    assert streams._told == {}


async def test_a_deletion_ends_the_wait() -> None:
    streams = Known()
    streams.update(5)
    streams.heed("s", 9)
    reading, gone = asyncio.create_task(streams.read("s")), asyncio.create_task(streams.gone("s"))
    await asyncio.sleep(0)
    streams.delete()
    assert await reading is None
    assert await gone


async def test_what_is_waited_for_is_bounded() -> None:
    streams = Known()
    for number in range(MAX_TOLD + 10):
        streams.heed(f"s{number}", 1)
    assert len(streams._told) == MAX_TOLD
    assert f"s{MAX_TOLD + 9}" in streams._told


async def test_a_rate_is_points_over_the_time_they_took() -> None:
    streams = Known()
    for second in range(30):
        streams.clock.now += SECOND
        streams.update(second, points=100 * second)
    assert streams.rate("s") == pytest.approx(100)


async def test_a_stream_that_has_just_begun_is_counted_from_its_beginning() -> None:
    streams = Known()
    began = streams.clock.now
    streams.clock.now += 2 * SECOND
    streams.update(0, points=500, created_at=began)
    assert streams.rate("s") == pytest.approx(250)


async def test_only_the_last_minute_counts() -> None:
    streams = Known()
    streams.update(0, points=1_000_000)
    for second in range(100):
        streams.clock.now += SECOND
        streams.update(second + 1, points=1_000_000 + 10 * second)
    assert streams.rate("s") == pytest.approx(10, rel=0.05)


async def test_a_silent_stream_has_no_rate() -> None:
    streams = Known()
    streams.update(0, points=10)
    streams.clock.now += WINDOW_MICROSECONDS + 1
    assert streams.rate("s") == 0


async def test_an_old_stream_seen_once_has_a_rate_nobody_knows() -> None:
    streams = Known()
    streams.update(0, points=10, created_at=streams.clock.now - 3600 * SECOND)
    assert streams.rate("s") is None
    assert streams.rate("another") is None


async def test_a_reset_begins_the_count_anew() -> None:
    streams = Known()
    for points in (1000, 2000, 5):
        streams.clock.now += SECOND
        streams.update(points, points=points)
    assert (streams.rate("s") or 0) >= 0
