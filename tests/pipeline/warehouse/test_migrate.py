"""Migrations: once each, in order, never changed afterwards, harmless twice."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from pipeline.errors import Broken, Misconfigured, WarehouseUnavailable
from pipeline.settings import WarehouseSettings
from pipeline.warehouse.connection import Connection
from pipeline.warehouse.migrate import Migration, migrate, packaged
from pipeline.warehouse.retention import Retention
from pipeline.warehouse.tables import bring_up_to_date, status
from tests.pipeline.warehouse.databases import value

HARMLESS_TWICE = re.compile(r"\b(IF NOT EXISTS|IF EXISTS|OR REPLACE)\b")


def test_a_second_run_has_nothing_to_do(settings: WarehouseSettings) -> None:
    assert migrate(settings) == [migration.name for migration in packaged()]
    assert migrate(settings) == []


def test_two_runners_at_once_leave_one_record_of_each(settings: WarehouseSettings) -> None:
    with ThreadPoolExecutor(2) as both:
        for done in [both.submit(migrate, settings) for _ in range(2)]:
            done.result()
    connection = Connection(settings)
    numbers = [number for (number,) in connection.rows("SELECT number FROM migrations ORDER BY number")]
    connection.close()
    assert numbers == [migration.number for migration in packaged()]


def test_an_applied_file_that_has_changed_is_refused(settings: WarehouseSettings) -> None:
    first = Migration(1, "0001_one.sql", "CREATE TABLE IF NOT EXISTS one (a Int8) ENGINE = MergeTree ORDER BY a;\n")
    assert migrate(settings, [first]) == ["0001_one.sql"]
    with pytest.raises(Broken, match=r"0001_one\.sql was applied to .* with other contents"):
        migrate(settings, [replace(first, text=first.text.replace("Int8", "Int16"))])


def test_a_database_ahead_of_the_code_is_left_as_it_is(settings: WarehouseSettings) -> None:
    ahead = [Migration(number, f"{number:04}_n.sql", f"SELECT {number};\n") for number in (1, 2)]
    migrate(settings, ahead)
    assert migrate(settings, ahead[:1]) == []


def test_every_statement_may_run_twice() -> None:
    for migration in packaged():
        for statement in migration.statements:
            assert HARMLESS_TWICE.search(statement), f"{migration.name}: {statement[:80]}"


def test_expiry_follows_the_settings(settings: WarehouseSettings) -> None:
    bring_up_to_date(settings, Retention(points_days=30, rollup_days=60))
    bring_up_to_date(settings, Retention(points_days=31, rollup_days=60, audit_days=61))
    connection = Connection(settings)
    engine = "SELECT engine_full FROM system.tables WHERE database = currentDatabase() AND name = {name:String}"
    assert "TTL _block_at + toIntervalDay(31)" in value(connection, engine, {"name": "points"})
    assert "TTL stored_on + toIntervalDay(60)" in value(connection, engine, {"name": "minutes"})
    assert "TTL _block_at + toIntervalDay(61)" in value(connection, engine, {"name": "audit"})
    connection.close()


def test_rows_must_outlive_the_log_they_came_from() -> None:
    with pytest.raises(Misconfigured, match="THALWEG_POINTS_DAYS=7"):
        Retention.from_environment({"THALWEG_POINTS_DAYS": "7"})
    with pytest.raises(Misconfigured, match="THALWEG_AUDIT_DAYS=30"):
        Retention.from_environment({"THALWEG_AUDIT_DAYS": "30"})


def test_tables_and_views_say_what_they_hold(tables: Connection) -> None:
    silent = tables.rows(
        "SELECT name FROM system.tables WHERE database = currentDatabase() AND comment = '' "
        "AND engine != 'MaterializedView'"
    )
    assert silent == []


def test_status_lists_every_table(settings: WarehouseSettings) -> None:
    bring_up_to_date(settings, Retention())
    rows = {table.name: table.rows for table in status(settings)}
    assert rows["points"] == 0
    assert rows["migrations"] == len(packaged())


def test_a_database_name_that_is_no_name_is_refused() -> None:
    with pytest.raises(Misconfigured, match="cannot name a database"):
        migrate(WarehouseSettings(database="a; DROP TABLE b"))


def test_no_warehouse_is_said_to_be_none() -> None:
    with pytest.raises(WarehouseUnavailable, match=r"127\.0\.0\.1:1 does not answer"):
        migrate(WarehouseSettings(port=1))
