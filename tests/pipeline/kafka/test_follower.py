"""A follower goes on behind what its group has committed, and commits what it was told to."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import closing, contextmanager

import pytest

from pipeline.errors import LogUnavailable
from pipeline.kafka.browse import committed
from pipeline.kafka.follower import Follower
from pipeline.settings import KafkaSettings
from tests.pipeline.kafka.topics import NOBODY, Topics


@pytest.fixture
def group() -> str:
    return f"g{uuid.uuid4().hex[:8]}"


@contextmanager
def following(kafka: KafkaSettings, group: str, topic: str) -> Iterator[Follower]:
    with closing(Follower(kafka, group)) as follower:
        follower.start([(topic, partition) for partition in range(3)])
        yield follower


def values(follower: Follower, count: int) -> list[bytes | None]:
    found: list[bytes | None] = []
    deadline = time.monotonic() + 60
    while len(found) < count:
        assert time.monotonic() < deadline
        found += [record.value for record in follower.read(0.2, 100)]
    return found


def test_a_topic_that_nobody_has_read_begins_at_its_end(
    kafka: KafkaSettings, topics: Topics, topic: str, group: str
) -> None:
    topics.write(topic, [b"old"])
    with following(kafka, group, topic) as follower:
        topics.write(topic, [b"new"])
        assert values(follower, 1) == [b"new"]


def test_the_end_it_began_at_is_committed_though_nothing_is_read(
    kafka: KafkaSettings, topics: Topics, topic: str, group: str
) -> None:
    topics.write(topic, [b"old"])
    with following(kafka, group, topic):
        pass
    topics.write(topic, [b"new"])
    with following(kafka, group, topic) as follower:
        assert values(follower, 1) == [b"new"]


def test_what_was_committed_is_not_read_again_and_the_rest_is(
    kafka: KafkaSettings, topics: Topics, topic: str, group: str
) -> None:
    with following(kafka, group, topic) as follower:
        topics.write(topic, [b"1", b"2"])
        values(follower, 2)
        follower.commit()
        assert follower.committed[topic, 0] == 2
        topics.write(topic, [b"3"])
        values(follower, 1)
    assert committed(kafka, group, topic)[0] == 2
    with following(kafka, group, topic) as follower:
        assert values(follower, 1) == [b"3"]


def test_what_retention_has_taken_is_passed_over(
    kafka: KafkaSettings, topics: Topics, topic: str, group: str, caplog: pytest.LogCaptureFixture
) -> None:
    with following(kafka, group, topic):
        pass
    topics.write(topic, [b"1", b"2", b"3"])
    topics.delete_before(topic, 2)
    with following(kafka, group, topic) as follower:
        assert values(follower, 1) == [b"3"]
    assert "the offset 0 is not in the log" in caplog.text


def test_closing_waits_for_a_read_that_goes_on_in_another_thread(kafka: KafkaSettings, topic: str, group: str) -> None:
    follower = Follower(kafka, group)
    follower.start([(topic, 0)])
    found: list[object] = []
    reading = threading.Thread(target=lambda: found.append(follower.read(1.0, 1)))
    reading.start()
    time.sleep(0.1)
    follower.close()
    reading.join()
    assert found == [[]]


def test_a_log_that_is_away_is_said_to_be(topic: str, group: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.kafka.follower.PATIENCE_S", 0.5)
    with closing(Follower(NOBODY, group)) as follower, pytest.raises(LogUnavailable, match=group):
        follower.start([(topic, 0)])


def test_it_comes_past_the_marker_of_a_transaction_and_is_told_nothing_of_an_aborted_one(
    kafka: KafkaSettings, topics: Topics, topic: str, group: str
) -> None:
    with following(kafka, group, topic) as follower:
        topics.write_in_a_transaction(topic, [b"said"])
        topics.write_in_a_transaction(topic, [b"never said"], aborted=True)
        found, deadline = values(follower, 1), time.monotonic() + 60
        while follower.committed[topic, 0] != 4:
            assert time.monotonic() < deadline
            found += [record.value for record in follower.read(0.2, 100)]
            if follower.uncommitted:
                follower.commit()
        assert found == [b"said"]
    assert committed(kafka, group, topic)[0] == 4
