"""Repetitions: however workers crash and rise again, each fact is told once."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from ingest_api.live.repeats import Repeats

KEY = ("topic", 0, b"stream")


@st.composite
def logs(draw: st.DrawFn) -> list[int]:
    """An output partition as workers write it: each begins at or before the first input without an output, goes on in
    order, and may write on for a while after another has taken over."""
    log: list[int] = []
    workers: list[int] = []
    for _ in range(draw(st.integers(0, 60))):
        if not workers or draw(st.integers(0, 9)) == 0:
            workers.append(draw(st.integers(0, max(log, default=-1) + 1)))
        which = draw(st.integers(0, len(workers) - 1))
        log.append(workers[which])
        workers[which] += 1
    return log


@given(logs())
def test_each_output_is_told_once_and_in_order_whoever_writes_it(log: list[int]) -> None:
    repeats = Repeats()
    told = [offset for offset in log if repeats.is_new(KEY, (offset, 0))]
    assert told == sorted(set(log))
    assert repeats.passed_over == len(log) - len(told)


def test_facts_of_one_input_are_told_apart_by_their_ordinal() -> None:
    repeats = Repeats()
    assert [repeats.is_new(KEY, (5, ordinal)) for ordinal in (0, 1, 1, 0, 2)] == [True, True, False, False, True]


def test_streams_do_not_hide_each_other() -> None:
    """State is written when a stream is due, so that one stream's output may lie behind a younger one's."""
    repeats = Repeats()
    assert repeats.is_new(("topic", 0, b"a"), (100, 0))
    assert repeats.is_new(("topic", 0, b"b"), (90, 0))


def test_what_is_remembered_is_bounded_and_the_longest_silent_is_forgotten() -> None:
    repeats = Repeats(capacity=2)
    for name in (b"a", b"b", b"a", b"c"):
        repeats.is_new(("topic", 0, name), (len(repeats) + repeats.passed_over, 0))
    assert len(repeats) == 2
    assert repeats.is_new(("topic", 0, b"b"), (0, 0))


def test_after_a_tombstone_the_next_life_is_told() -> None:
    repeats = Repeats()
    assert repeats.is_new(KEY, (7, 0))
    repeats.forget(KEY)
    assert repeats.is_new(KEY, (7, 0))
