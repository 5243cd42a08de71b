"""A real broker: it answers, keeps what it was given, and goes when told."""

from __future__ import annotations

from pathlib import Path

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic  # type: ignore[attr-defined]

from pipeline.embedded.kafka import probe
from pipeline.embedded.kafka.broker import BrokerProcess
from pipeline.errors import Unavailable
from tests.ports import free_ports


def test_a_record_survives_a_restart_of_the_broker(tmp_path: Path) -> None:
    port, controller_port = free_ports(2)
    with BrokerProcess(tmp_path, port, controller_port) as broker:
        _create_topic(broker.bootstrap, "kept")
        producer = Producer({"bootstrap.servers": broker.bootstrap})
        producer.produce("kept", b"still here")
        assert producer.flush(30) == 0
        cluster_id = _cluster_id(tmp_path)
    assert not probe.answers("127.0.0.1", port)

    with BrokerProcess(tmp_path, port, controller_port) as broker:
        assert _first_value(broker.bootstrap, "kept") == b"still here"
        assert _cluster_id(tmp_path) == cluster_id


def test_a_broker_that_cannot_start_says_where_to_look(tmp_path: Path) -> None:
    (tmp_path / "log").mkdir()
    (tmp_path / "log" / "meta.properties").write_text("version=1\ncluster.id=someone-elses\nnode.id=7\n")
    port, controller_port = free_ports(2)
    broker = BrokerProcess(tmp_path, port, controller_port)
    broker.start()
    try:
        with pytest.raises(Unavailable, match=r"ended before it was ready; see .*broker\.log"):
            broker.wait_ready()
    finally:
        broker.stop()


def test_an_unknown_topic_is_not_made_by_writing_to_it(kafka_bootstrap: str) -> None:
    producer = Producer({"bootstrap.servers": kafka_bootstrap, "message.timeout.ms": 2000})
    errors: list[object] = []
    producer.produce("misspelt", b"x", on_delivery=lambda error, _: errors.append(error))
    producer.flush(10)
    assert errors
    assert errors[0] is not None


def _create_topic(bootstrap: str, name: str) -> None:
    admin = AdminClient({"bootstrap.servers": bootstrap})
    admin.create_topics([NewTopic(name, 1, 1)])[name].result(30)


def _first_value(bootstrap: str, topic: str) -> bytes | None:
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "reader", "auto.offset.reset": "earliest"})
    try:
        consumer.assign([TopicPartition(topic, 0, 0)])
        message = consumer.poll(30)
        assert message is not None
        value: bytes | None = message.value()
        return value
    finally:
        consumer.close()


def _cluster_id(data_dir: Path) -> str:
    lines = (data_dir / "log" / "meta.properties").read_text().splitlines()
    return next(line for line in lines if line.startswith("cluster.id="))
