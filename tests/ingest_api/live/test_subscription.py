"""What is asked for is what is heard, through any sequence of changes."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest_api.domains import WATCHES
from ingest_api.live.backlog import Bounds, Policy
from ingest_api.live.hub import Hub
from ingest_api.live.subscriber import Subscriber
from ingest_api.live.subscription import Interests, interests_in, matches, needed, readable, with_more, without
from ingest_api.principal import Principal
from ingest_api.problems import Busy, Forbidden, Invalid
from schemas.grants import Access, Party
from tests.doubles.grants import EVERYBODY, Open
from tests.ingest_api.live.records import frame

KINDS, STREAMS = ("clusters", "drift"), ("a", "b", "c")
BOUNDS = Bounds(1000, 1 << 20)
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
    hub = Hub(10, 10, 15.0, Open())
    subscriber = Subscriber("someone", frozenset(), Policy.DROP_OLDEST, Bounds(1000, 1 << 20), EVERYBODY)
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


def reader(*permissions: str) -> Principal:
    return Principal("key:r", "r", frozenset(permissions))


TWO = (*WATCHES, replace(WATCHES[0], kind="tasks", permission="tasks:read"))


def test_who_names_no_topics_is_told_what_they_may_read_whatever_else_there_is() -> None:
    of_clustering = [watch.kind for watch in WATCHES]
    assert readable(reader("clustering:read"), (), TWO) == of_clustering
    assert readable(reader("tasks:read"), (" , ",), TWO) == ["tasks"]
    assert readable(reader("tasks:read", "clustering:read"), (), TWO) == [*of_clustering, "tasks"]


def test_who_names_a_topic_needs_its_permission_and_no_other() -> None:
    assert readable(reader("tasks:read"), ("tasks",), TWO) == ["tasks"]
    with pytest.raises(Forbidden, match="tasks:read"):
        readable(reader("clustering:read"), ("clusters,tasks",), TWO)
    with pytest.raises(Forbidden, match="clustering:read"):
        readable(reader("files:read"), (), TWO)


def test_what_is_told_needs_the_permissions_of_its_kinds() -> None:
    assert needed(interests_in(["drift", "tasks"], ["a"]), TWO) == {"clustering:read", "tasks:read"}
    assert needed(frozenset(), TWO) == frozenset()


def test_of_all_who_listen_those_are_told_who_may_read_at_that_moment() -> None:
    grants = ByOwner(a="ada", b="eve")
    hub = Hub(10, 10, 15.0, grants)
    listening = {}
    for owner in ("ada", "eve"):
        for streams in ([], ["a"], ["b"]):
            one = Subscriber(owner, interests_in(["clusters"], streams), Policy.DROP_OLDEST, BOUNDS, Party(owner))
            listening[owner, *streams] = one
            hub.admit(one)
            hub.listen(one)
    hub.publish([frame(0, stream="a"), frame(1, stream="b")], 0.0)
    heard = {name: len(one.backlog) for name, one in listening.items()}
    assert heard == {
        ("ada",): 1, ("ada", "a"): 1, ("ada", "b"): 0,
        ("eve",): 1, ("eve", "a"): 0, ("eve", "b"): 1,
    }  # fmt: skip
    grants.owners["a"] = "eve"
    hub.publish([frame(2, stream="a")], 0.0)
    assert [len(listening["ada", "a"].backlog), len(listening["eve", "a"].backlog)] == [1, 1]
    hub.change(listening["ada", "a"], listening["ada", "a"].interests, Party("eve"))
    hub.publish([frame(3, stream="a")], 0.0)
    assert len(listening["ada", "a"].backlog) == 2


def test_who_waits_for_a_stream_by_its_name_hears_of_it_under_its_key() -> None:
    hub = Hub(10, 10, 15.0, Open())
    ada, eve = (
        Subscriber(owner, interests_in(["clusters"], ["pumps"]), Policy.DROP_OLDEST, BOUNDS, Party(owner))
        for owner in ("ada", "eve")
    )
    for one in (ada, eve):
        hub.admit(one)
        hub.listen(one)
    hub.rename("eve", "pumps", "pumps:eve")
    hub.publish([frame(0, stream="pumps:eve")], 0.0)
    assert (len(ada.backlog), len(eve.backlog)) == (0, 1)


class ByOwner(Open):
    def __init__(self, **owners: str) -> None:
        super().__init__()
        self.owners = owners

    def access(self, party: Party, key: str) -> Access:
        return Access.READ if self.owners[key] == party.owner else Access.NONE


def test_the_whole_topic_includes_each_of_its_streams() -> None:
    held = with_more(interests_in(["drift"], ["a"]), interests_in(["drift"], []))
    assert held == {("drift", None)}


def test_streams_cannot_be_named_without_end() -> None:
    held = interests_in(["drift"], [f"s{number}" for number in range(100)])
    with pytest.raises(Invalid, match="validation failed"):
        with_more(held, interests_in(["drift"], ["one-more"]))


async def test_a_hub_that_drains_lets_nobody_in_and_waits_for_all_to_leave() -> None:
    hub = Hub(10, 10, 15.0, Open())
    stays = Subscriber("someone", frozenset(), Policy.CONFLATE, Bounds(1, 1), EVERYBODY)
    hub.admit(stays)
    assert await hub.drain(0.01) == 1
    assert stays.ending is not None
    with pytest.raises(Busy, match="shutting down"):
        hub.admit(Subscriber("late", frozenset(), Policy.CONFLATE, Bounds(1, 1), EVERYBODY))
    hub.leave(stays)
    assert await hub.drain(0.01) == 0
