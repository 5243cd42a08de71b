"""The interval set against a plain set."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from pipeline.warehouse.seen import Seen

NUMBERS = st.lists(st.integers(0, 60), max_size=200)


@given(NUMBERS)
def test_it_holds_what_a_plain_set_holds(numbers: list[int]) -> None:
    seen, plain = Seen(), set[int]()
    for number in numbers:
        assert seen.add(number) == (number not in plain)
        plain.add(number)
    assert {number for number in range(70) if number in seen} == plain


@given(NUMBERS)
def test_its_intervals_are_ascending_apart_and_cover_exactly_what_was_added(numbers: list[int]) -> None:
    seen = Seen()
    for number in numbers:
        seen.add(number)
    intervals = list(seen)
    assert all(first <= last for first, last in intervals)
    assert all(left[1] + 1 < right[0] for left, right in pairwise(intervals))
    assert {number for first, last in intervals for number in range(first, last + 1)} == set(numbers)


@given(NUMBERS, st.integers(2, 8))
def test_a_bounded_one_never_takes_for_new_what_it_was_given(numbers: list[int], limit: int) -> None:
    seen, plain = Seen(limit=limit), set[int]()
    for number in numbers:
        if seen.add(number):
            assert number not in plain
        plain.add(number)
        assert len(list(seen)) <= limit
        assert all(number in seen for number in plain)
    assert all(number in plain for number in range(seen.floor, 70) if number in seen)


@given(NUMBERS)
def test_one_restored_from_its_intervals_is_the_same(numbers: list[int]) -> None:
    seen = Seen()
    for number in numbers:
        seen.add(number)
    restored = Seen(seen, floor=seen.floor)
    assert [number in restored for number in range(70)] == [number in seen for number in range(70)]


def test_numbers_in_order_are_one_interval() -> None:
    seen = Seen()
    assert all(seen.add(number) for number in range(10_000))
    assert list(seen) == [(0, 9_999)]
