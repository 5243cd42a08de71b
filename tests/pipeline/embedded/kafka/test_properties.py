"""The broker's settings reach its server.properties."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.embedded.kafka.properties import BrokerSettings, render, server_properties
from pipeline.embedded.kafka.storage import new_cluster_id
from pipeline.errors import Misconfigured


def test_the_broker_listens_on_loopback_at_the_ports_given() -> None:
    told = server_properties(BrokerSettings(Path("data"), 1234, 1235))
    assert told["listeners"] == "CLIENTS://127.0.0.1:1234,CONTROLLER://127.0.0.1:1235"
    assert told["controller.quorum.voters"] == "1@127.0.0.1:1235"
    assert told["auto.create.topics.enable"] == "false"


def test_settings_come_from_the_environment() -> None:
    environ = {"THALWEG_DATA_DIR": "/d", "THALWEG_KAFKA_PORT": "7", "THALWEG_KAFKA_HEAP_MIB": "300"}
    assert BrokerSettings.from_environment(environ) == BrokerSettings(Path("/d/kafka"), 7, 9093, 300)
    assert BrokerSettings.from_environment({}) == BrokerSettings(Path(".thalweg/kafka"))


def test_a_port_that_is_none_is_refused_by_name() -> None:
    with pytest.raises(Misconfigured, match="THALWEG_KAFKA_PORT='0'"):
        BrokerSettings.from_environment({"THALWEG_KAFKA_PORT": "0"})


def test_a_backslash_is_escaped() -> None:
    assert render({"log.dirs": "a\\b"}) == "log.dirs=a\\\\b\n"


def test_cluster_ids_are_as_kafka_makes_them() -> None:
    ids = {new_cluster_id() for _ in range(200)}
    assert len(ids) == 200
    assert all(len(it) == 22 and not it.startswith("-") for it in ids)
