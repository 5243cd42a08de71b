"""The parts that tests run against: given by URL, else containers, else the embedded ones."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from pipeline.embedded.kafka.broker import BrokerProcess
from tests.ports import free_ports


@pytest.fixture(scope="session")
def kafka_bootstrap(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """`host:port` of a real broker, shared by the whole run: tests use topics and groups of their own."""
    given = os.environ.get("THALWEG_TEST_KAFKA_BOOTSTRAP")
    if given:
        yield given
        return
    port, controller_port = free_ports(2)
    with BrokerProcess(tmp_path_factory.mktemp("kafka"), port, controller_port) as broker:
        yield broker.bootstrap
