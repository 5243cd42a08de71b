"""One warehouse process for the tests of this room, which use tables of their own."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import uuid4

import pytest

from tests.pipeline.embedded.warehouse.running import Warehouse, running


@pytest.fixture(scope="session")
def warehouse(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Warehouse]:
    with running(tmp_path_factory.mktemp("warehouse")) as it:
        yield it


@pytest.fixture
def table(warehouse: Warehouse) -> Iterator[str]:
    """A table (a UInt64, s String) that forgets no token, dropped after the test."""
    name = f"t_{uuid4().hex}"
    settings = "SETTINGS non_replicated_deduplication_window = 100"
    made = warehouse.ask(f"CREATE TABLE {name} (a UInt64, s String) ENGINE = MergeTree ORDER BY a {settings}")
    assert made.status == 200, made.text
    yield name
    warehouse.ask(f"DROP TABLE {name}")
