"""A group as seen from outside: who is there, and how far it is."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable

import pytest

from pipeline.errors import LogUnavailable
from pipeline.kafka.group import GroupWatch, Standing
from pipeline.kafka.member import Member
from pipeline.settings import KafkaSettings
from tests.pipeline.kafka.topics import NOBODY, Topics


def test_lag_counts_a_partition_without_a_commit_whole() -> None:
    assert Standing(1, True, {0: 4, 2: 9}, {0: 10, 1: 5, 2: 7}).lag == 6 + 5 + 0


def test_a_group_nobody_joined_has_no_members_and_all_to_do(kafka: KafkaSettings, topics: Topics, topic: str) -> None:
    topics.write(topic, [b"x"] * 3, partition=1)
    standing = GroupWatch(kafka, f"g{uuid.uuid4().hex[:8]}", topic, 3, patience=10).standing()
    assert standing == Standing(0, False, {}, {0: 0, 1: 3, 2: 0})
    assert standing.lag == 3


def test_a_group_with_a_member_stands_and_its_lag_goes_down(kafka: KafkaSettings, topics: Topics, topic: str) -> None:
    group = f"g{uuid.uuid4().hex[:8]}"
    topics.write(topic, [b"x"] * 5)
    watch = GroupWatch(kafka, group, topic, 3, patience=10)
    watch.reach()
    member = Member(kafka, group, [topic], assigned=lambda places: None, revoked=lambda places: None)
    try:
        _reading_until(member, lambda: watch.standing().stable)
        assert watch.standing().members == 1
        member.settled((topic, 0), 4)
    finally:
        member.close()
    standing = watch.standing()
    assert (standing.members, standing.committed, standing.lag) == (0, {0: 4}, 1)


@pytest.mark.timeout(60)
def test_without_a_broker_nothing_is_made_up() -> None:
    watch = GroupWatch(NOBODY, "g", "t", 3, patience=0.5)
    with pytest.raises(LogUnavailable, match="no Kafka broker answers"):
        watch.reach()
    with pytest.raises(LogUnavailable, match="group g"):
        watch.standing()


def _reading_until(member: Member, condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        member.read(0.1, 100)
