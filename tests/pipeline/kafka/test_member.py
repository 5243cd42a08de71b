"""A member of a group gives a partition's records only from where its owner says, and only while it holds it."""

from __future__ import annotations

import contextlib
import time
import uuid
from collections.abc import Callable, Iterator, Sequence

import pytest

from pipeline.errors import Broken
from pipeline.kafka import browse
from pipeline.kafka.member import Member, Place
from pipeline.kafka.record import Record
from pipeline.settings import KafkaSettings
from tests.pipeline.kafka.topics import Topics

LONG_MS = 45_000
"""A session that no crowded machine lets pass by."""


class Owner:
    """Reads with one member and keeps what it is told."""

    def __init__(
        self, kafka: KafkaSettings, group: str, topic: str, instance: str | None = None, session_ms: int = 6000
    ) -> None:
        self.held: set[Place] = set()
        self.records: list[Record] = []
        self.revocations = 0
        self.member = Member(
            kafka,
            group,
            [topic],
            assigned=self._assigned,
            revoked=self._revoked,
            instance=instance,
            session_ms=session_ms,
        )

    def _assigned(self, places: Sequence[Place]) -> None:
        self.held.update(places)

    def _revoked(self, places: Sequence[Place]) -> None:
        self.held.difference_update(places)
        self.revocations += 1

    def read(self, seconds: float = 0.1) -> None:
        self.records += self.member.read(seconds, 100)

    def until(self, condition: Callable[[], object], *others: Owner) -> None:
        deadline = time.monotonic() + 60
        while not condition():
            assert time.monotonic() < deadline
            for owner in (self, *others):
                owner.read()

    def begin(self, place: Place, offset: int) -> None:
        self.until(lambda: self.member.begin(place, offset))

    def offsets(self, partition: int) -> list[int]:
        return [record.offset for record in self.records if record.partition == partition]


@pytest.fixture
def group() -> str:
    return f"g{uuid.uuid4().hex[:8]}"


@contextlib.contextmanager
def owning(*owners: Owner) -> Iterator[None]:
    try:
        yield
    finally:
        for owner in owners:
            owner.member.close()


def test_a_partition_is_silent_until_it_is_begun(kafka: KafkaSettings, topics: Topics, topic: str, group: str) -> None:
    for partition in range(3):
        topics.write(topic, [b"x"] * 10, partition)
    owner = Owner(kafka, group, topic)
    with owning(owner):
        owner.until(lambda: len(owner.held) == 3)
        for _ in range(10):
            owner.read()
        assert owner.records == []
        owner.begin((topic, 1), 4)
        owner.until(lambda: len(owner.records) == 6)
        owner.begin((topic, 2), 10)
        topics.write(topic, [b"new"], 2)
        owner.until(lambda: len(owner.records) == 7)
    assert owner.offsets(0) == []
    assert owner.offsets(1) == [4, 5, 6, 7, 8, 9]
    assert owner.offsets(2) == [10]


def test_a_paused_partition_gives_nothing_and_goes_on_where_it_was(
    kafka: KafkaSettings, topics: Topics, topic: str, group: str
) -> None:
    topics.write(topic, [b"x"] * 3)
    owner, place = Owner(kafka, group, topic), (topic, 0)
    with owning(owner):
        owner.until(lambda: place in owner.held)
        owner.begin(place, 0)
        owner.until(lambda: len(owner.records) == 3)
        owner.member.pause(place)
        topics.write(topic, [b"x"] * 3)
        for _ in range(5):
            owner.read()
        assert len(owner.records) == 3
        owner.member.resume(place)
        owner.until(lambda: len(owner.records) == 6)
    assert owner.offsets(0) == list(range(6))


def test_a_partition_can_be_begun_again_elsewhere(kafka: KafkaSettings, topics: Topics, topic: str, group: str) -> None:
    topics.write(topic, [b"x"] * 5)
    owner, place = Owner(kafka, group, topic), (topic, 0)
    with owning(owner):
        owner.until(lambda: place in owner.held)
        owner.begin(place, 3)
        owner.until(lambda: len(owner.records) == 2)
        owner.begin(place, 0)
        owner.until(lambda: len(owner.records) == 7)
    assert owner.offsets(0) == [3, 4, 0, 1, 2, 3, 4]


def test_what_is_settled_is_committed_and_never_read(
    kafka: KafkaSettings, topics: Topics, topic: str, group: str
) -> None:
    topics.write(topic, [b"x"] * 5)
    place = (topic, 0)
    first = Owner(kafka, group, topic)
    with owning(first):
        first.until(lambda: place in first.held)
        first.member.settled(place, 4)
        first.member.settled((topic, 9), 4)  # not ours: passed over
    assert browse.committed(kafka, group, topic) == {0: 4, 1: None, 2: None}
    second = Owner(kafka, group, topic)
    with owning(second):
        second.until(lambda: place in second.held)
        second.begin(place, 1)
        second.until(lambda: len(second.records) == 4)
    assert second.offsets(0) == [1, 2, 3, 4]


def test_a_second_member_takes_some_partitions_and_only_those_are_revoked(
    kafka: KafkaSettings, topics: Topics, topic: str, group: str
) -> None:
    one = Owner(kafka, group, topic)
    with owning(one):
        one.until(lambda: len(one.held) == 3)
        two = Owner(kafka, group, topic)
        with owning(two):
            one.until(lambda: one.held and two.held and len(one.held | two.held) == 3, two)
            assert not one.held & two.held
            [*taken] = two.held
            for place in taken:
                topics.write(topic, [b"x"], place[1])
                two.begin(place, 0)
            kept = next(iter(one.held))
            topics.write(topic, [b"x"], kept[1])
            one.begin(kept, 0)
            one.until(lambda: len(one.records) == 1 and len(two.records) == len(taken), two)
        one.until(lambda: len(one.held) == 3)
    assert {record.partition for record in two.records} == {place[1] for place in taken}
    assert two.held == set(), "closing gives its partitions back"
    assert one.revocations == 2


def test_a_static_member_that_comes_back_is_not_missed(
    kafka: KafkaSettings, topics: Topics, topic: str, group: str
) -> None:
    stays, leaves = Owner(kafka, group, topic, "one", LONG_MS), Owner(kafka, group, topic, "two", LONG_MS)
    with owning(stays):
        with owning(leaves):
            stays.until(lambda: stays.held and leaves.held and len(stays.held | leaves.held) == 3, leaves)
            had, kept, before = set(leaves.held), set(stays.held), stays.revocations
        back = Owner(kafka, group, topic, "two", LONG_MS)
        with owning(back):
            back.until(lambda: back.held, stays)
            assert back.held == had
            assert (stays.held, stays.revocations) == (kept, before)


def test_a_name_that_is_taken_by_another_process_breaks_the_first(
    kafka: KafkaSettings, topics: Topics, topic: str, group: str
) -> None:
    first = Owner(kafka, group, topic, "one")
    with owning(first):
        first.until(lambda: len(first.held) == 3)
        second = Owner(kafka, group, topic, "one")
        with owning(second):
            second.until(lambda: len(second.held) == 3)
            with pytest.raises(Broken, match="cannot go on"):
                first.until(lambda: False)


def test_a_transactions_marker_is_told_as_an_end_and_what_it_aborted_never_comes(
    kafka: KafkaSettings, topics: Topics, topic: str, group: str
) -> None:
    topics.write_in_a_transaction(topic, [b"said"])
    topics.write_in_a_transaction(topic, [b"never said"], aborted=True)
    owner = Owner(kafka, group, topic)
    with owning(owner):
        owner.until(lambda: len(owner.held) == 3)
        owner.begin((topic, 0), 0)
        owner.until(lambda: owner.member.ends.get((topic, 0)) == 4)
    assert [record.value for record in owner.records] == [b"said"]
