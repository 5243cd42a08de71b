"""A database of a test's own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from pipeline.settings import WarehouseSettings
from pipeline.warehouse.connection import Connection
from tests.pipeline.warehouse.databases import empty_database, migrated_database


@pytest.fixture
def settings(warehouse_url: str) -> Iterator[WarehouseSettings]:
    with empty_database(warehouse_url) as made:
        yield made


@pytest.fixture
def tables(warehouse_url: str) -> Iterator[Connection]:
    with migrated_database(warehouse_url) as connection:
        yield connection
