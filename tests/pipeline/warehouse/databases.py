"""Databases of a test's own in the warehouse that tests share."""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Iterator, Mapping
from typing import Any

from pipeline.settings import WarehouseSettings
from pipeline.warehouse.connection import Connection
from pipeline.warehouse.retention import Retention
from pipeline.warehouse.tables import bring_up_to_date


@contextlib.contextmanager
def empty_database(url: str) -> Iterator[WarehouseSettings]:
    """A name no other test uses; dropped at the end."""
    settings = WarehouseSettings.from_environment({"THALWEG_CLICKHOUSE_URL": f"{url}/test_{uuid.uuid4().hex[:12]}"})
    try:
        yield settings
    finally:
        founder = Connection(settings, without_database=True)
        founder.command(f"DROP DATABASE IF EXISTS {settings.database}")
        founder.close()


@contextlib.contextmanager
def migrated_database(url: str) -> Iterator[Connection]:
    """A connection to a database with all tables."""
    with empty_database(url) as settings:
        bring_up_to_date(settings, Retention())
        connection = Connection(settings)
        try:
            yield connection
        finally:
            connection.close()


def value(connection: Connection, sql: str, parameters: Mapping[str, Any] | None = None) -> Any:
    """The one value of a query."""
    return connection.rows(sql, parameters)[0][0]
