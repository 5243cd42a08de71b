"""A partition is settled up to its oldest mail that is not done."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.courier.postbag import Postbag
from pipeline.kafka.record import Record


def record(offset: int, value: bytes | None = None) -> Record:
    return Record("mail", 0, offset, 0, b"u", b"%d" % offset if value is None else value)


@given(order=st.lists(st.integers(0, 50), min_size=1, unique=True))
def test_nothing_is_settled_that_is_not_done_and_everything_is_that_is(order: list[int]) -> None:
    bag = Postbag()
    assert Postbag().settled is None
    rising = sorted(order)
    for offset in rising:
        bag.put(record(offset), 0.0)
    left = set(rising)
    for offset in order:
        assert bag.settled == min(left)
        bag.done(offset)
        left.discard(offset)
    assert bag.settled == rising[-1] + 1
    assert not bag.waiting


def test_a_record_that_is_read_again_keeps_its_tries() -> None:
    bag = Postbag()
    bag.put(record(3), 0.0)
    [waiting] = bag.waiting
    waiting.tries, waiting.due = 2, 9.0
    bag.put(record(3), 1.0)
    assert [(it.tries, it.due) for it in bag.waiting] == [(2, 9.0)]


def test_what_is_asked_for_again_to_the_byte_is_passed_over_and_settled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.courier.postbag.REMEMBERED", 2)
    bag = Postbag()
    for offset, value in enumerate([b"a", b"b", b"a"]):
        bag.put(record(offset, value), 0.0)
    assert [waiting.record.offset for waiting in bag.waiting] == [0, 1]
    bag.done(0)
    bag.done(1)
    assert bag.settled == 3
    for offset, value in enumerate([b"c", b"b", b"a"], start=3):
        bag.put(record(offset, value), 0.0)
    assert [waiting.record.offset for waiting in bag.waiting] == [3, 5], "no more than so many are remembered"


def test_records_without_a_value_are_no_repetitions() -> None:
    bag = Postbag()
    for offset in range(2):
        bag.put(Record("mail", 0, offset, 0, b"u", None), 0.0)
    assert len(bag.waiting) == 2
