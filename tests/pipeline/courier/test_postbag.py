"""A partition is settled up to its oldest mail that is not done."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pipeline.courier.postbag import Postbag
from pipeline.kafka.record import Record


def record(offset: int) -> Record:
    return Record("mail", 0, offset, 0, b"u", b"x")


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
