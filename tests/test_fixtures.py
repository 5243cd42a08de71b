"""The shared broker and warehouse are real ones."""

from __future__ import annotations

from clickhouse_connect import get_client

from pipeline.embedded.kafka import probe


def test_the_shared_broker_answers(kafka_bootstrap: str) -> None:
    host, _, port = kafka_bootstrap.rpartition(":")
    assert probe.answers(host, int(port), timeout=10)


def test_the_shared_warehouse_answers_a_query(warehouse_url: str) -> None:
    with get_client(dsn=warehouse_url) as client:
        assert client.query("SELECT sum(number) FROM numbers(10)").result_rows == [(45,)]
