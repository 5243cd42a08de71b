"""A warehouse for the clients of others, with the table that their programs write to."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.pipeline.embedded.warehouse.running import Warehouse, running

TABLE = "client_table"


@pytest.fixture(scope="module")
def warehouse(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Warehouse]:
    with running(tmp_path_factory.mktemp("warehouse")) as it:
        made = it.ask(f"CREATE TABLE {TABLE} (a UInt64, s String) ENGINE = MergeTree ORDER BY a")
        assert made.status == 200, made.text
        yield it
