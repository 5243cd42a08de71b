"""Whatever Kafka's client gave is handed on or asked for again."""

from __future__ import annotations

from faust.types import TP
from hypothesis import given
from hypothesis import strategies as st

from topologies.custody import Custody

A, B = TP("changes", 0), TP("changes", 1)


def test_what_was_handed_on_is_not_outstanding() -> None:
    custody = Custody()
    fetch = custody.fetch()
    custody.took(fetch, [A, B])
    custody.handed(fetch, A)
    assert custody.outstanding() == {fetch: {B}}
    custody.handed(fetch, B)
    assert custody.outstanding() == {}


def test_a_fetch_is_next_only_where_no_other_is_outstanding() -> None:
    custody = Custody()
    lost, fetch = custody.fetch(), custody.fetch()
    custody.took(lost, [A])
    custody.took(fetch, [A, B])
    assert not custody.is_next(fetch, A)
    assert custody.is_next(fetch, B)
    custody.settle([lost])
    assert custody.is_next(fetch, A)


def test_what_is_taken_while_it_is_asked_for_again_stays_outstanding() -> None:
    custody = Custody()
    first, second = custody.fetch(), custody.fetch()
    custody.took(first, [A])
    asked = custody.outstanding()
    custody.took(second, [A])
    custody.settle(asked)
    assert custody.outstanding() == {second: {A}}


@given(st.lists(st.tuples(st.sampled_from([A, B]), st.booleans())))
def test_exactly_what_was_not_handed_on_is_outstanding(taken: list[tuple[TP, bool]]) -> None:
    custody, left = Custody(), {}
    for place, handed in taken:
        fetch = custody.fetch()
        custody.took(fetch, [place])
        if handed:
            custody.handed(fetch, place)
        else:
            left[fetch] = {place}
    assert custody.outstanding() == left
