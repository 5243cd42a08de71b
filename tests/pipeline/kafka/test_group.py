"""A group as seen from outside: how far it is."""

from __future__ import annotations

import ast
import threading
import time
import uuid
from collections.abc import Callable

import pytest
from confluent_kafka import Consumer, TopicPartition

from pipeline.errors import LogUnavailable
from pipeline.kafka.group import GroupWatch, Standing, inherit
from pipeline.kafka.member import Member, Place
from pipeline.settings import KafkaSettings
from tests.house.house import imported, modules, tree
from tests.pipeline.kafka.topics import NOBODY, Topics


def places(topic: str) -> list[Place]:
    return [(topic, number) for number in range(3)]


def test_lag_counts_a_partition_without_a_commit_whole() -> None:
    standing = Standing({("t", 0): 4, ("t", 2): 9}, {}, {("t", 0): 10, ("t", 1): 5, ("t", 2): 7})
    assert standing.lag == 6 + 5 + 0


def test_lag_does_not_count_what_retention_has_removed() -> None:
    assert Standing({("t", 0): 4}, {("t", 0): 8, ("t", 1): 3}, {("t", 0): 10, ("t", 1): 5}).lag == 2 + 2


def test_a_group_nobody_joined_has_all_to_do(kafka: KafkaSettings, topics: Topics, topic: str) -> None:
    topics.write(topic, [b"x"] * 3, partition=1)
    standing = _standing(GroupWatch(kafka, f"g{uuid.uuid4().hex[:8]}", places(topic), patience=10))
    begins, ends = dict.fromkeys(places(topic), 0), {(topic, 0): 0, (topic, 1): 3, (topic, 2): 0}
    assert standing == Standing({}, begins, ends)
    assert standing.lag == 3


def test_the_lag_of_a_group_goes_down_as_it_commits(kafka: KafkaSettings, topics: Topics, topic: str) -> None:
    group = f"g{uuid.uuid4().hex[:8]}"
    topics.write(topic, [b"x"] * 5)
    watch = GroupWatch(kafka, group, places(topic), patience=10)
    watch.reach()
    held: list[Place] = []
    member = Member(kafka, group, [topic], assigned=held.extend, revoked=lambda places: None)
    try:
        _reading_until(member, lambda: len(held) == 3)
        assert watch.standing().lag == 5
        member.settled((topic, 0), 4)
    finally:
        member.close()
    standing = watch.standing()
    assert (standing.committed, standing.lag) == ({(topic, 0): 4}, 1)


@pytest.mark.timeout(60)
def test_without_a_broker_nothing_is_made_up() -> None:
    watch = GroupWatch(NOBODY, "g", [("t", 0)], patience=0.5)
    with pytest.raises(LogUnavailable, match="no Kafka broker answers"):
        watch.reach()
    with pytest.raises(LogUnavailable, match="group g"):
        watch.standing()


@pytest.mark.timeout(60)
def test_a_broker_that_is_away_holds_one_thread_and_no_more() -> None:
    watch = GroupWatch(NOBODY, "g", [("t", 0)], patience=3)
    failures: list[str] = []

    def ask() -> None:
        with pytest.raises(LogUnavailable) as refused:
            watch.standing()
        failures.append(str(refused.value))

    first = threading.Thread(target=ask)
    first.start()
    while not watch._asking.locked():
        time.sleep(0.001)
    ask()
    assert failures == ["the offsets of group g have been asked for and have not come yet"]
    first.join()
    assert len(failures) == 2


COORDINATORS = {
    "list_consumer_groups",
    "describe_consumer_groups",
    "delete_consumer_groups",
    "list_consumer_group_offsets",
    "alter_consumer_group_offsets",
}


def test_no_process_of_ours_asks_a_coordinator_by_the_administrative_client() -> None:
    """librdkafka ends the process by a signal when the coordinator moves or dies meanwhile."""
    asking = {
        f"{path}: {name}"
        for path in modules()
        if any(each.startswith("confluent_kafka") for each in imported(path))
        for name in COORDINATORS
        if name in _attributes(tree(path))
    }
    assert asking == set()


def _attributes(root: ast.AST) -> set[str]:
    return {node.attr for node in ast.walk(root) if isinstance(node, ast.Attribute)}


def _standing(watch: GroupWatch) -> Standing:
    """Of a broker that may still be setting up its book of groups."""
    deadline = time.monotonic() + 60
    while True:
        try:
            return watch.standing()
        except LogUnavailable:
            assert time.monotonic() < deadline
            time.sleep(0.2)


def _reading_until(member: Member, condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        member.read(0.1, 100)


def test_a_new_group_goes_on_where_its_predecessor_was(kafka: KafkaSettings, topics: Topics, topic: str) -> None:
    old, new = (f"g{uuid.uuid4().hex[:8]}" for _ in range(2))
    topics.write(topic, [b"x"] * 5)
    _commit(kafka, old, {(topic, 0): 4, (topic, 2): 0})
    assert inherit(kafka, new, old, places(topic)) == 2
    assert _standing(GroupWatch(kafka, new, places(topic), patience=10)).committed == {(topic, 0): 4, (topic, 2): 0}


def test_a_group_that_has_committed_is_never_set_back(kafka: KafkaSettings, topics: Topics, topic: str) -> None:
    old, new = (f"g{uuid.uuid4().hex[:8]}" for _ in range(2))
    topics.write(topic, [b"x"] * 5)
    _commit(kafka, old, {(topic, 0): 2, (topic, 1): 0})
    _commit(kafka, new, {(topic, 0): 3})
    assert inherit(kafka, new, old, places(topic)) == 0
    assert _standing(GroupWatch(kafka, new, places(topic), patience=10)).committed == {(topic, 0): 3}


def test_a_group_that_has_members_inherits_nothing(kafka: KafkaSettings, topics: Topics, topic: str) -> None:
    old, new = (f"g{uuid.uuid4().hex[:8]}" for _ in range(2))
    topics.write(topic, [b"x"] * 5)
    _commit(kafka, old, {(topic, 0): 2})
    held: list[Place] = []
    member = Member(kafka, new, [topic], assigned=held.extend, revoked=lambda places: None)
    try:
        _reading_until(member, lambda: len(held) == 3)
        assert inherit(kafka, new, old, places(topic)) == 0
    finally:
        member.close()
    assert _standing(GroupWatch(kafka, new, places(topic), patience=10)).committed == {}


def test_without_a_predecessor_a_group_begins_at_the_beginning(kafka: KafkaSettings, topic: str) -> None:
    assert inherit(kafka, f"g{uuid.uuid4().hex[:8]}", f"g{uuid.uuid4().hex[:8]}", places(topic)) == 0


def _commit(kafka: KafkaSettings, group: str, offsets: dict[Place, int]) -> None:
    consumer = Consumer({"bootstrap.servers": kafka.bootstrap, "group.id": group, "enable.auto.commit": False})
    consumer.commit(offsets=[TopicPartition(*place, offset) for place, offset in offsets.items()], asynchronous=False)
    consumer.close()
