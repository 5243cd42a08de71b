"""What waits for a subscriber: the newest is never lost, and what is lost is told exactly."""

from __future__ import annotations

import json
from dataclasses import dataclass, field

from hypothesis import given
from hypothesis import strategies as st

from ingest_api.live.backlog import Backlog, Bounds, Conflated, Fifo, Policy, backlog_for
from ingest_api.live.message import Frame, Outgoing
from tests.ingest_api.live.records import CURSORS, LAYOUT, frame

TOPIC, PARTITION = LAYOUT.places[0]
# A run of the bridge: messages of a key, of none ("fact"), the end of the stream ("end"), or the reader taking some.
STEPS = st.lists(st.sampled_from(["a", "b", "c", "fact", "end", "take"]), max_size=60)
BOUNDS = st.builds(Bounds, st.integers(1, 5), st.sampled_from([60, 200, 1_000_000]))


@dataclass
class Reader:
    """Plays steps against a backlog and keeps what came out."""

    backlog: Backlog
    offered: list[Frame] = field(default_factory=list)
    told: list[int] = field(default_factory=list)
    cursors: list[int] = field(default_factory=list)
    lost: list[tuple[int, int, int]] = field(default_factory=list)
    cursors_before_loss: list[int] = field(default_factory=list)

    def play(self, steps: list[str]) -> Reader:
        for step in steps:
            if step == "take":
                self.take(1)
                continue
            key = None if step == "fact" else step
            self.offered.append(frame(len(self.offered), key=key, ends=step == "end"))
            self.backlog.offer(self.offered[-1])
        self.take(1_000_000)
        return self

    def take(self, bytes: int) -> None:
        lost = self.backlog.lost()
        if lost is not None:
            self.lost.append(lost.ranges[0])
            self.cursors_before_loss.append(_next_offset(lost.cursor))
        for out in self.backlog.take(bytes):
            self.told.append(_offset(out))
            self.cursors.append(_next_offset(out.cursor))

    def covers(self, offset: int) -> bool:
        """Whether a reported loss includes the offset."""
        return any(begin <= offset < end for begin, end, _ in self.lost)


@given(STEPS, BOUNDS)
def test_drop_oldest_tells_everything_or_reports_exactly_what_was_lost(steps: list[str], bounds: Bounds) -> None:
    reader = Reader(Fifo(bounds)).play(steps)
    lost = {offset for begin, end, _ in reader.lost for offset in range(begin, end)}
    assert sorted([*reader.told, *lost]) == [each.offset for each in reader.offered]
    assert sum(count for _, _, count in reader.lost) == len(lost) == reader.backlog.dropped
    assert reader.told == sorted(reader.told)
    assert [begin for begin, _, _ in reader.lost] == reader.cursors_before_loss


@given(STEPS, BOUNDS)
def test_conflation_never_loses_the_newest_of_a_key_unless_it_says_so(steps: list[str], bounds: Bounds) -> None:
    reader = Reader(Conflated(bounds)).play(steps)
    ends = [each.offset for each in reader.offered if each.message.ends_stream]
    newest = {each.message.key or each.offset: each.offset for each in reader.offered}
    for key, offset in newest.items():
        ended = isinstance(key, tuple) and any(offset < end for end in ends)
        assert offset in reader.told or ended or reader.covers(offset)


@given(STEPS, BOUNDS)
def test_conflated_state_never_goes_back_and_never_outlives_its_stream(steps: list[str], bounds: Bounds) -> None:
    reader = Reader(Conflated(bounds)).play(steps)
    for key in ("a", "b", "c"):
        of_key = [offset for offset in reader.told if reader.offered[offset].message.key == ("s", key)]
        assert of_key == sorted(set(of_key))
    for end in (each.offset for each in reader.offered if each.message.ends_stream):
        if end in reader.told:
            before = reader.told[: reader.told.index(end)]
            assert all(offset < end or reader.offered[offset].message.key is None for offset in before)


@given(STEPS, BOUNDS)
def test_resuming_at_any_cursor_brings_all_that_was_not_told(steps: list[str], bounds: Bounds) -> None:
    """Whatever lies before a cursor was told, replaced by something newer, ended with its stream, or reported lost."""
    for policy in (Policy.CONFLATE, Policy.DROP_OLDEST):
        reader = Reader(backlog_for(policy, bounds)).play(steps)
        for count, cursor in enumerate(reader.cursors, 1):
            told = set(reader.told[:count])
            for missing in {each.offset for each in reader.offered[:cursor]} - told:
                assert reader.covers(missing) or _newer(reader, missing)


@given(STEPS, BOUNDS)
def test_a_backlog_stays_within_its_bounds(steps: list[str], bounds: Bounds) -> None:
    for policy in Policy:
        reader = Reader(backlog_for(policy, bounds))
        for offset, step in enumerate(steps):
            reader.backlog.offer(frame(offset, key=None if step == "fact" else step))
            assert len(reader.backlog) <= bounds.messages
            assert reader.backlog.bytes <= bounds.bytes or len(reader.backlog) == 1
        assert reader.backlog.take(1_000_000) is not None
        assert reader.backlog.bytes == len(reader.backlog) == 0


def test_disconnect_gives_up_the_reader_at_the_first_message_too_many() -> None:
    backlog = Fifo(Bounds(2, 1_000_000), disconnects=True)
    for offset in range(2):
        backlog.offer(frame(offset))
    assert [len(backlog), backlog.overrun] == [2, False]
    backlog.offer(frame(2))
    backlog.offer(frame(3))
    assert [len(backlog), backlog.overrun] == [0, True]
    assert backlog.take(1_000_000) == []


def test_a_key_keeps_its_place_so_that_a_busy_one_starves_nobody() -> None:
    backlog = Conflated(Bounds(10, 1_000_000))
    for offset, key in enumerate(["busy", "quiet", "busy", "busy"]):
        backlog.offer(frame(offset, key=key))
    assert [_offset(out) for out in backlog.take(1_000_000)] == [3, 1]


def _newer(reader: Reader, offset: int) -> bool:
    """Whether a later message makes this one superfluous: one of its key, or the end of its stream."""
    key = reader.offered[offset].message.key
    later = reader.offered[offset + 1 :]
    return key is not None and any(each.message.key == key or each.message.ends_stream for each in later)


def _offset(out: Outgoing) -> int:
    return int(json.loads(out.body)["data"]["offset"])


def _next_offset(cursor: str | None) -> int:
    assert cursor is not None
    return CURSORS.read(cursor).offsets[TOPIC, PARTITION]
