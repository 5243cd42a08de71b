"""The gate on a real broker: receipts, order, the address for the answer, and what happens when the log is full."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from ingest_api.clustering.submit import Work, records_of
from ingest_api.gate import Gate
from ingest_api.replies import Replies
from pipeline.clock import now
from pipeline.errors import LogUnavailable, Overloaded
from pipeline.kafka.browse import stretch
from pipeline.kafka.producer import Producer
from pipeline.kafka.provision import provision
from pipeline.settings import KafkaSettings
from schemas.clustering.points import PointsObserved
from schemas.clustering.topics import OBSERVED
from schemas.codec import Codec
from schemas.exchange import PART_HEADER, REPLY_PARTITION_HEADER, REQUEST_ID_HEADER
from schemas.position import Position
from schemas.topic import Topic

pytestmark = pytest.mark.flow
CODEC = Codec()


@pytest.fixture
def topic(kafka_bootstrap: str) -> Topic:
    topic = replace(OBSERVED, name=f"{uuid.uuid4().hex[:8]}.points.observed.v1", dead_letters=False, stateful=False)
    provision(KafkaSettings(kafka_bootstrap), [topic])
    return topic


@pytest.fixture
def replies(kafka_bootstrap: str) -> Replies:
    return Replies(KafkaSettings(kafka_bootstrap), 5, CODEC, now)


@pytest.fixture
async def gate(kafka_bootstrap: str, replies: Replies) -> AsyncIterator[Gate]:
    gate = Gate(KafkaSettings(kafka_bootstrap), 5, CODEC, now, replies)
    await gate.start()
    yield gate
    await gate.stop()


def events(parts: int) -> list[PointsObserved]:
    return [PointsObserved("s", now(), 1, np.array([float(part)])) for part in range(parts)]


async def test_records_of_a_request_lie_in_their_order_with_the_address_for_their_answers(
    gate: Gate, replies: Replies, topic: Topic, kafka_bootstrap: str
) -> None:
    inquiries = [gate.send(topic, "s", events(4), "key:me", None, 1) for _ in range(3)]
    positions = [await inquiry.accepted() for inquiry in inquiries]
    records = await asyncio.to_thread(lambda: list(stretch(KafkaSettings(kafka_bootstrap), topic.name)))
    assert [record.position for record in records] == [place for places in positions for place in places]
    for record, (inquiry, part) in zip(records, ((i, p) for i in inquiries for p in range(4)), strict=True):
        assert record.key == b"s"
        assert record.headers[REQUEST_ID_HEADER].decode() == inquiry.request_id
        assert record.headers[REPLY_PARTITION_HEADER] == b"5"
        assert record.headers[PART_HEADER] == b"%d" % part
        assert CODEC.decode(record.value or b"", PointsObserved).values.tolist() == [part]
        assert replies.find(inquiry.request_id) is inquiry


async def test_a_large_batch_is_consecutive_records_of_half_a_mebibyte(
    gate: Gate, topic: Topic, kafka_bootstrap: str
) -> None:
    points = np.random.default_rng(1).normal(size=(10_000, 100))
    inquiry = gate.send(topic, "s", records_of(Work("s", points, "key:me"), now()), "key:me", None, 1)
    positions = await inquiry.accepted()
    first = positions[0].offset
    assert [place.offset for place in positions] == list(range(first, first + 16))
    records = await asyncio.to_thread(lambda: list(stretch(KafkaSettings(kafka_bootstrap), topic.name)))
    assert all(len(record.value or b"") <= 512 * 1024 + 1024 for record in records)
    values = [CODEC.decode(record.value or b"", PointsObserved).values for record in records]
    assert np.array_equal(np.concatenate(values).reshape(-1, 100), points)


class Full(Producer):
    """Takes so many records and then says that its queue is full, as a real one does after a hundred thousand."""

    room = 0

    def send(self, topic: str, value: bytes | None, **named: Any) -> asyncio.Future[Position]:
        if not self.room:
            raise Overloaded("the queue to Kafka is full")
        self.room -= 1
        return super().send(topic, value, **named)


@pytest.fixture
async def full(gate: Gate, kafka_bootstrap: str) -> AsyncIterator[Full]:
    producer = Full(KafkaSettings(kafka_bootstrap), "full")
    mine, gate._producer = gate._producer, producer
    yield producer
    gate._producer = mine
    await producer.close()


async def test_a_request_of_which_nothing_could_be_queued_leaves_nothing_behind(
    gate: Gate, full: Full, replies: Replies, topic: Topic, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ingest_api.gate.new_request_id", lambda _: "req_1")
    with pytest.raises(Overloaded):
        gate.send(topic, "s", events(3), "key:me", None, 1)
    assert replies.find("req_1") is None


async def test_a_request_of_which_half_could_be_queued_says_which(gate: Gate, full: Full, topic: Topic) -> None:
    full.room = 2
    inquiry = gate.send(topic, "s", events(4), "key:me", None, 1)
    with pytest.raises(LogUnavailable, match="full"):
        await inquiry.complete(30)
    await asyncio.gather(*inquiry.sent[:2])
    assert len(inquiry.positions) == 2
    assert inquiry.unconfirmed


async def test_a_dead_broker_is_told_within_the_time_of_delivery_and_kills_nobody(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("ingest_api.gate.DELIVERY_SECONDS", 0.5)
    nowhere = KafkaSettings("127.0.0.1:1")
    gate = Gate(nowhere, 0, CODEC, now, Replies(nowhere, 0, CODEC, now))
    await gate.start()
    inquiry = gate.send(OBSERVED, "s", events(2), "key:me", None, 1)
    with pytest.raises(LogUnavailable):
        await inquiry.complete(30)
    await gate.stop()
