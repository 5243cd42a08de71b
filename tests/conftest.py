"""The parts that tests run against: given by URL, else containers, else the embedded ones.

A run may be several processes (`make test`): each takes whole files, and has a broker and a warehouse of its own.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from urllib.parse import quote

import pytest
from hypothesis import settings

from pipeline.embedded.kafka.broker import BrokerProcess
from pipeline.embedded.warehouse.process import WarehouseProcess
from tests import containers
from tests.budget import SHORT
from tests.ports import free_ports

# No test asserts times: machines differ. What runs everywhere runs alike everywhere; `make fuzz` looks further.
settings.register_profile("fixed", deadline=None, derandomize=True)
settings.register_profile("random", deadline=None, derandomize=False, print_blob=True)
settings.load_profile("fixed" if SHORT else "random")

GIVEN_KAFKA = "THALWEG_TEST_KAFKA_BOOTSTRAP"
GIVEN_WAREHOUSE = "THALWEG_TEST_CLICKHOUSE_URL"
MOST_PROCESSES = 4  # the longest file is no shorter for more of them, and each takes a gigabyte
WAREHOUSE_USER = "thalweg"
WAREHOUSE_PASSWORD = "a password for tests"


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """How many processes `-n auto` is: one more than there are processors, since tests of whole systems wait a fifth of
    their time. On a broker that was given, one: workers of two files would be one group."""
    return 1 if os.environ.get(GIVEN_KAFKA) else min((os.cpu_count() or 1) + 1, MOST_PROCESSES)


@pytest.fixture(scope="session")
def kafka_bootstrap(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """`host:port` of a real broker, shared by all that a process runs: tests use topics and groups of their own.

    THALWEG_TEST_KAFKA_BOOTSTRAP names one that is there already.
    """
    given = os.environ.get(GIVEN_KAFKA)
    if given:
        yield given
    elif containers.engine_answers():
        with containers.kafka() as address:
            yield address
    else:
        port, controller_port = free_ports(2)
        with BrokerProcess(tmp_path_factory.mktemp("kafka"), port, controller_port) as broker:
            yield broker.bootstrap


@pytest.fixture(scope="session")
def warehouse_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """`http://user:password@host:port` of a real warehouse, shared by all that a process runs: tests use databases
    of their own.

    THALWEG_TEST_CLICKHOUSE_URL names one that is there already.
    """
    given = os.environ.get(GIVEN_WAREHOUSE)
    account = f"{WAREHOUSE_USER}:{quote(WAREHOUSE_PASSWORD)}"
    if given:
        yield given
    elif containers.engine_answers():
        with containers.clickhouse(WAREHOUSE_USER, WAREHOUSE_PASSWORD) as address:
            yield f"http://{account}@{address}"
    else:
        [port] = free_ports(1)
        told = {"THALWEG_WAREHOUSE_USER": WAREHOUSE_USER, "THALWEG_WAREHOUSE_PASSWORD": WAREHOUSE_PASSWORD}
        with WarehouseProcess(tmp_path_factory.mktemp("warehouse"), port, told):
            yield f"http://{account}@127.0.0.1:{port}"
