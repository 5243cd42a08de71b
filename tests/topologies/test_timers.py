"""When keys are due: each once, the earliest first."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from topologies.timers import Timers


def test_keys_are_given_in_the_order_of_their_times_and_of_one_time_by_name() -> None:
    timers = Timers()
    for key, due in (("c", 2), ("b", 1), ("a", 2), ("d", 9)):
        timers.set(key, due)
    assert list(timers.until(2)) == ["b", "a", "c"]
    assert timers.earliest == 9


def test_what_is_put_off_or_called_off_is_not_given() -> None:
    timers = Timers()
    timers.set("a", 1)
    timers.set("b", 1)
    timers.set("a", 5)
    timers.set("b", None)
    assert list(timers.until(4)) == []
    assert timers.earliest == 5


def test_a_key_that_is_set_again_meanwhile_waits_for_the_next_time() -> None:
    timers = Timers()
    timers.set("a", 1)
    for key in timers.until(3):
        timers.set(key, 2)
    assert list(timers.until(3)) == ["a"]


@given(st.lists(st.tuples(st.sampled_from("abc"), st.none() | st.integers(0, 9))), st.integers(0, 9))
def test_whatever_is_set_the_last_time_counts(settings: list[tuple[str, int | None]], at: int) -> None:
    timers = Timers()
    for key, due in settings:
        timers.set(key, due)
    last = {key: due for key, due in dict(settings).items() if due is not None}
    assert list(timers.until(at)) == sorted((key for key in last if last[key] <= at), key=lambda key: (last[key], key))
    assert timers.earliest == min((due for due in last.values() if due > at), default=None)
