"""Writing to the log: receipts, order, placement, bounds, and what happens when the broker is away."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import signal
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer
from aiokafka.errors import UnsupportedCodecError

from pipeline.embedded.kafka.broker import BrokerProcess
from pipeline.errors import Broken, LogUnavailable, Overloaded
from pipeline.kafka.browse import stretch
from pipeline.kafka.flight import Flight
from pipeline.kafka.producer import MAX_RECORD, Producer
from pipeline.kafka.provision import provision
from pipeline.outcome import Refuse
from pipeline.received import Raw
from pipeline.settings import KafkaSettings
from schemas.clustering.topics import OBSERVED
from schemas.position import Position
from tests.pipeline.kafka.topics import NOBODY, until
from tests.ports import free_ports
from topologies.intake import Placement


@pytest.fixture
async def producer(kafka: KafkaSettings) -> AsyncIterator[Producer]:
    it = Producer(kafka, "test")
    yield it
    await it.close()


async def test_the_receipt_is_where_the_record_lies(kafka: KafkaSettings, producer: Producer, topic: str) -> None:
    sent = {
        await producer.send(topic, b"v%d" % n, key=b"k%d" % n, headers={"number": b"%d" % n}): (b"k%d" % n, b"v%d" % n)
        for n in range(30)
    }
    records = list(stretch(kafka, topic))
    assert {record.position: (record.key, record.value) for record in records} == sent
    assert all(record.value == b"v" + record.headers["number"] for record in records)


@pytest.mark.parametrize(
    ("written", "readable"),
    [(KafkaSettings.compression, True), ("gzip", True), ("snappy", False), ("lz4", False), ("zstd", False)],
)
async def test_what_we_write_is_read_by_clients_as_they_are_installed(
    written: str, readable: bool, kafka: KafkaSettings, topic: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """aiokafka's, kafka-python's and kafkajs's other codecs are extras."""
    monkeypatch.setattr("aiokafka.codec.cramjam", None)
    producer = Producer(replace(kafka, compression=written), "test")
    await producer.send(topic, b"x" * 1000, key=b"k")
    await producer.close()
    consumer = AIOKafkaConsumer(topic, bootstrap_servers=kafka.bootstrap, auto_offset_reset="earliest")
    await consumer.start()
    try:
        async with asyncio.timeout(30):
            if readable:
                assert (await consumer.getone()).value == b"x" * 1000
            else:
                with pytest.raises(UnsupportedCodecError):
                    await consumer.getone()
    finally:
        await consumer.stop()


async def test_records_of_a_key_keep_their_order(kafka: KafkaSettings, producer: Producer, topic: str) -> None:
    keys = [b"a", b"b", b"c", b"d"]
    futures = [producer.send(topic, b"%d" % n, key=keys[n % 4]) for n in range(2000)]
    await asyncio.gather(*futures)
    by_key: dict[bytes, list[int]] = {}
    for record in stretch(kafka, topic):
        by_key.setdefault(record.key or b"", []).append(int(record.value or b""))
    assert by_key == {key: list(range(place, 2000, 4)) for place, key in enumerate(keys)}


async def test_keys_lie_where_workers_look_for_them(kafka: KafkaSettings, producer: Producer, topic: str) -> None:
    keys = [f"stream-{n}" for n in range(300)] + ["", "é", "日本語", "a" * 300]
    positions = await asyncio.gather(*(producer.send(topic, b"", key=key.encode()) for key in keys))
    placement = Placement(kafka.partitions)
    assert {position.partition for position in positions} == {0, 1, 2}
    for key, position in zip(keys, positions, strict=True):
        if not key:  # librdkafka puts an empty key anywhere, and no street allows one
            continue
        there = Raw(position, 0, key.encode(), b"", {})
        assert placement.check(there, key) is None
        elsewhere = Position(position.topic, (position.partition + 1) % kafka.partitions, position.offset)
        assert isinstance(placement.check(Raw(elsewhere, 0, key.encode(), b"", {}), key), Refuse)


async def test_a_named_partition_and_a_tombstone_are_written_as_asked(
    kafka: KafkaSettings, producer: Producer, topic: str
) -> None:
    position = await producer.send(topic, None, key=b"k", partition=2)
    [record] = stretch(kafka, topic)
    assert record.position == position
    assert (record.partition, record.key, record.value, record.headers) == (2, b"k", None, {})


async def test_more_than_may_wait_is_refused_at_once() -> None:
    producer = Producer(NOBODY, "test", max_pending=10)
    futures = [producer.send("nowhere", b"x") for _ in range(10)]
    with pytest.raises(Overloaded):
        producer.send("nowhere", b"x")
    assert producer.pending >= 10  # librdkafka counts its own word of the failed connection too
    assert producer.pending_bytes == 10
    assert await producer.close(0.1) == 10
    for outcome in await asyncio.gather(*futures, return_exceptions=True):
        assert isinstance(outcome, LogUnavailable)
    assert (producer.pending, producer.pending_bytes) == (0, 0)


async def test_more_bytes_than_may_wait_are_refused_at_once() -> None:
    producer = Producer(NOBODY, "test", max_bytes=4 * 1024 * 1024)
    value = b"x" * 1024 * 1024
    for _ in range(4):
        producer.send("nowhere", value)
    with pytest.raises(Overloaded):
        producer.send("nowhere", value)
    await producer.close(0)


async def test_without_a_broker_a_record_fails_within_its_time() -> None:
    producer = Producer(NOBODY, "test", timeout=0.5)
    async with asyncio.timeout(30):
        with pytest.raises(LogUnavailable):
            await producer.send("nowhere", b"x")
    assert await producer.close() == 0


async def test_what_was_given_up_while_the_broker_stood_still_is_in_the_log_once(tmp_path: Path) -> None:
    port, controller_port = free_ports(2)
    with BrokerProcess(tmp_path / "kafka", port, controller_port) as broker:
        kafka = KafkaSettings(broker.bootstrap)
        provision(kafka, [OBSERVED])
        producer = Producer(kafka, "test", timeout=2, keeps_trying=120)
        sent: list[asyncio.Future[Position]] = []
        for number in range(800):
            if number in (200, 500):
                os.kill(broker.pid, signal.SIGSTOP)
                asyncio.get_running_loop().call_later(4, os.kill, broker.pid, signal.SIGCONT)
            sent.append(producer.send(OBSERVED.name, b"%d" % number, partition=number % kafka.partitions))
            await asyncio.sleep(0.01)
        told = await asyncio.gather(*sent, return_exceptions=True)
        assert any(isinstance(each, LogUnavailable) for each in told)
        assert await producer.close(60) == 0
        assert sorted(int(record.value or b"") for record in stretch(kafka, OBSERVED.name)) == list(range(800))


async def test_a_topic_that_is_not_there_fails_the_record(kafka: KafkaSettings) -> None:
    producer = Producer(kafka, "test", timeout=2)
    async with asyncio.timeout(60):
        with pytest.raises(LogUnavailable):
            await producer.send("there.is.no.such.v1", b"x")
    await producer.close()


async def test_a_failure_nobody_waits_for_is_not_complained_about(caplog: pytest.LogCaptureFixture) -> None:
    producer = Producer(NOBODY, "test", timeout=0.2)
    with caplog.at_level(logging.ERROR, logger="asyncio"):
        producer.send("nowhere", b"x")
        await until(lambda: producer.pending == 0)
        await producer.close()
        gc.collect()
        await asyncio.sleep(0)
    assert not [record for record in caplog.records if record.name == "asyncio"]


async def test_closing_sends_what_is_queued_and_then_takes_nothing(kafka: KafkaSettings, topic: str) -> None:
    producer = Producer(kafka, "test", linger_ms=5000)
    futures = [producer.send(topic, b"%d" % n, partition=1) for n in range(100)]
    assert await producer.close(30) == 0
    assert [future.result().offset for future in futures] == list(range(100))
    with pytest.raises(LogUnavailable, match="closed"):
        producer.send(topic, b"late")
    flight = Flight()
    with pytest.raises(LogUnavailable, match="closed"):
        producer.launch(flight, topic, b"late")
    await flight.landed()
    assert len(list(stretch(kafka, topic))) == 100


async def test_a_record_beyond_the_limit_is_our_mistake_and_said_at_once(producer: Producer, topic: str) -> None:
    flight = Flight()
    with pytest.raises(Broken, match="larger than"):
        producer.launch(flight, topic, bytes(MAX_RECORD + 1))
    await flight.landed()
    assert producer.pending_bytes == 0


async def test_a_flight_lands_when_all_of_it_is_durable(kafka: KafkaSettings, producer: Producer, topic: str) -> None:
    flight = Flight()
    for n in range(1000):
        producer.launch(flight, topic, b"%d" % n, key=b"%d" % n)
    await flight.landed()
    assert len(list(stretch(kafka, topic))) == 1000


async def test_a_flight_fails_when_one_record_of_it_does(kafka: KafkaSettings, topic: str) -> None:
    producer = Producer(kafka, "test", timeout=3)
    flight = Flight()
    producer.launch(flight, topic, b"fine")
    producer.launch(flight, topic, b"lost", partition=7)
    async with asyncio.timeout(60):
        with pytest.raises(LogUnavailable, match="did not confirm"):
            await flight.landed()
        with pytest.raises(LogUnavailable, match="did not confirm"):
            await flight.landed()
    await producer.close()


async def test_records_launched_together_keep_their_order_and_land_together(
    kafka: KafkaSettings, producer: Producer, topic: str
) -> None:
    flight = Flight()
    values = [b"%d" % n for n in range(500)]
    producer.launch_all(flight, topic, values, key=b"k", partition=0)
    await flight.landed()
    assert [(record.key, record.value) for record in stretch(kafka, topic)] == [(b"k", value) for value in values]
    assert producer.pending_bytes == 0


async def test_of_records_launched_together_those_that_do_not_fit_are_not_waited_for() -> None:
    producer, flight = Producer(NOBODY, "test", timeout=1.0, max_pending=3), Flight()
    with pytest.raises(Overloaded):
        producer.launch_all(flight, "t", [b"x"] * 5, key=b"k", partition=0)
    assert producer.pending_bytes == 3
    await producer.close(0.1)
    with pytest.raises(LogUnavailable):
        await flight.landed()


async def test_one_record_too_large_among_those_launched_together_is_our_mistake(
    producer: Producer, topic: str
) -> None:
    with pytest.raises(Broken):
        producer.launch_all(Flight(), topic, [b"x" * (MAX_RECORD + 1)], key=b"k", partition=0)
