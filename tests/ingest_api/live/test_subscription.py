"""What is asked for is what is heard, through any sequence of changes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest_api.live.backlog import Bounds, Policy
from ingest_api.live.hub import Hub
from ingest_api.live.subscriber import Subscriber
from ingest_api.live.subscription import Interests, interests_in, matches, with_more, without
from ingest_api.problems import Busy, Invalid
from tests.ingest_api.live.records import frame

KINDS, STREAMS = ("clusters", "drift"), ("a", "b", "c")
CHANGES = st.lists(
    st.tuples(
        st.booleans(),
        st.lists(st.sampled_from(KINDS), min_size=1, unique=True),
        st.lists(st.sampled_from(STREAMS), unique=True),
    ),
    max_size=8,
)


@given(CHANGES)
def test_a_hub_delivers_to_whom_it_concerns_once_after_any_changes(
    changes: list[tuple[bool, list[str], list[str]]],
) -> None:
    hub = Hub(10, 10, 15.0)
    subscriber = Subscriber("someone", frozenset(), Policy.DROP_OLDEST, Bounds(1000, 1 << 20))
    hub.admit(subscriber)
    hub.listen(subscriber)
    interests: Interests = frozenset()
    for more, kinds, streams in changes:
        asked = interests_in(kinds, streams)
        interests = with_more(interests, asked) if more else without(interests, kinds, streams)
        hub.change(subscriber, interests)
    hub.publish([frame(0, stream=stream) for stream in STREAMS], 0.0)
    assert len(subscriber.backlog) == sum(matches(interests, "clusters", stream) for stream in STREAMS)
    hub.leave(subscriber)
    hub.leave(subscriber)
    hub.publish([frame(1, stream="a")], 0.0)
    assert len(hub) == 0


def test_the_whole_topic_includes_each_of_its_streams() -> None:
    held = with_more(interests_in(["drift"], ["a"]), interests_in(["drift"], []))
    assert held == {("drift", None)}


def test_streams_cannot_be_named_without_end() -> None:
    held = interests_in(["drift"], [f"s{number}" for number in range(100)])
    with pytest.raises(Invalid, match="validation failed"):
        with_more(held, interests_in(["drift"], ["one-more"]))


async def test_a_hub_that_drains_lets_nobody_in_and_waits_for_all_to_leave() -> None:
    hub = Hub(10, 10, 15.0)
    stays = Subscriber("someone", frozenset(), Policy.CONFLATE, Bounds(1, 1))
    hub.admit(stays)
    assert await hub.drain(0.01) == 1
    assert stays.ending is not None
    with pytest.raises(Busy, match="shutting down"):
        hub.admit(Subscriber("late", frozenset(), Policy.CONFLATE, Bounds(1, 1)))
    hub.leave(stays)
    assert await hub.drain(0.01) == 0
