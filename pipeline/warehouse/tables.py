"""The tables as they stand: bringing them up to date, and how full they are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.settings import WarehouseSettings
from pipeline.warehouse.connection import Connection
from pipeline.warehouse.migrate import migrate
from pipeline.warehouse.retention import Retention


@dataclass(frozen=True, slots=True)
class Fill:
    """One table. `newest` is when its last part was written, UTC, or None when it is empty."""

    name: str
    rows: int
    bytes: int
    newest: str | None
    comment: str


def bring_up_to_date(settings: WarehouseSettings, retention: Retention) -> Sequence[str]:
    """Migrates and sets the TTLs. Returns the names of the migrations applied. Safe to run twice, by two at a time.

    Raises WarehouseUnavailable, Misconfigured, Broken.
    """
    done = migrate(settings)
    connection = Connection(settings)
    try:
        retention.apply(connection)
    finally:
        connection.close()
    return done


def status(settings: WarehouseSettings) -> Sequence[Fill]:
    """The tables of the database with their rows and bytes on disk. Raises WarehouseUnavailable, Misconfigured."""
    connection = Connection(settings)
    try:
        found = connection.rows(
            """
            SELECT name, ifNull(total_rows, 0), ifNull(total_bytes, 0), newest, comment
            FROM system.tables
            LEFT JOIN
            (
                SELECT table, toString(max(modification_time)) AS newest
                FROM system.parts WHERE active AND database = currentDatabase() GROUP BY table
            ) AS parts ON parts.table = name
            WHERE database = currentDatabase() AND engine LIKE '%MergeTree'
            ORDER BY name
            """
        )
    finally:
        connection.close()
    return [Fill(name, rows, size, newest or None, comment) for name, rows, size, newest, comment in found]
