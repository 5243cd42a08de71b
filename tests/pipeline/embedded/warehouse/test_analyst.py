"""The read-only user reads the warehouse's tables, and by no way more."""

from __future__ import annotations

from typing import Any

import pytest

from tests.pipeline.embedded.warehouse.running import ANALYST, Answer, Warehouse


@pytest.fixture
def points(warehouse: Warehouse, table: str) -> str:
    warehouse.ask(f"INSERT INTO {table} VALUES (1, 'x'), (2, 'y')")
    return table


def _ask(warehouse: Warehouse, sql: str, **fields: Any) -> Answer:
    return warehouse.ask(sql, user=ANALYST, **fields)


def test_it_reads_tables_and_their_description(warehouse: Warehouse, points: str) -> None:
    assert _ask(warehouse, f"SELECT sum(a) FROM {points}").text == "3\n"
    assert points in _ask(warehouse, "SHOW TABLES").text
    assert _ask(warehouse, f"DESCRIBE TABLE {points}").status == 200
    assert _ask(warehouse, f"SELECT name FROM system.columns WHERE table = '{points}'").text == "a\ns\n"


@pytest.mark.parametrize(
    "sql",
    [
        "INSERT INTO {} VALUES (3, 'z')",
        "INSERT INTO {} SELECT 3, 'z'",
        "DROP TABLE {}",
        "TRUNCATE TABLE {}",
        "ALTER TABLE {} DELETE WHERE 1",
        "DELETE FROM {} WHERE 1",
        "OPTIMIZE TABLE {}",
        "CREATE TABLE x (a Int8) ENGINE = Memory",
        "CREATE TEMPORARY TABLE x (a Int8)",
        "CREATE DATABASE x",
        "SET max_threads = 1",
        "SET readonly = 0",
        "SELECT 1 SETTINGS readonly = 0",
        "SELECT 1 SETTINGS max_memory_usage = 0",
        "USE system",
        "SYSTEM FLUSH LOGS",
        "KILL QUERY WHERE 1",
    ],
)
def test_it_changes_nothing(warehouse: Warehouse, points: str, sql: str) -> None:
    answer = _ask(warehouse, sql.format(points))
    assert answer.code in (164, 452, 497), answer.text
    assert answer.status == 403
    assert _ask(warehouse, f"SELECT count() FROM {points}").text == "2\n"


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM system.processes",
        "SELECT * FROM system.query_log",
        "SELECT * FROM system.parts",
        "SELECT * FROM system.server_settings",
        "SELECT * FROM system.users",
        "SELECT * FROM system.stack_trace",
        "SELECT * FROM `system`.`processes`",
        "SELECT * FROM merge('system', 'processes')",
        "SELECT 1 WHERE 1 IN (SELECT 1 FROM system.processes)",
        "SELECT 1 IN system.processes",
        "WITH x AS (SELECT * FROM system.processes) SELECT * FROM x",
        "SELECT * FROM view(SELECT * FROM system.processes)",
        "SHOW PROCESSLIST",
        "SHOW GRANTS",
        "SHOW ACCESS",
        "EXPLAIN SELECT * FROM system.processes",
        "DESCRIBE TABLE (SELECT * FROM system.query_log)",
        "SELECT * FROM file('/etc/passwd', 'LineAsString')",
        "SELECT file('/etc/passwd')",
    ],
)
def test_it_sees_nothing_of_others_or_of_the_machine(warehouse: Warehouse, sql: str) -> None:
    assert _ask(warehouse, sql).code in (164, 497)


def test_another_database_is_not_read(warehouse: Warehouse) -> None:
    assert _ask(warehouse, "SELECT * FROM processes", database="system").code == 497
    warehouse.ask("CREATE DATABASE other")
    warehouse.ask("CREATE TABLE other.t ENGINE = Memory AS SELECT 1 AS a")
    assert _ask(warehouse, "SELECT * FROM other.t").code == 497
    warehouse.ask("DROP DATABASE other")


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM audit",
        "SELECT count() FROM audit",
        "SELECT actor FROM `audit`",
        "SELECT 1 IN audit",
        "SELECT * FROM merge(currentDatabase(), 'aud.*')",
        "SELECT * FROM view(SELECT * FROM audit)",
        "WITH it AS (SELECT * FROM audit) SELECT * FROM it",
        "SELECT * FROM {of:Identifier}",
        "DESCRIBE TABLE audit",
        "SHOW CREATE TABLE audit",
        "EXPLAIN SELECT * FROM audit",
    ],
)
def test_the_audit_is_not_read(warehouse: Warehouse, sql: str) -> None:
    warehouse.ask("CREATE TABLE IF NOT EXISTS audit (actor String) ENGINE = MergeTree ORDER BY actor")
    warehouse.ask("INSERT INTO audit VALUES ('user:ada')")
    assert warehouse.ask("SELECT any(actor) FROM audit").text == "user:ada\n"
    answer = _ask(warehouse, sql, param_of="audit")
    assert answer.code == 497, answer.text
    assert "audit" not in _ask(warehouse, "SHOW TABLES").text.split()


def test_clickhouse_connect_works_for_it(warehouse: Warehouse, points: str) -> None:
    client = warehouse.client(ANALYST)
    assert client.query(f"SELECT a FROM {points} ORDER BY a").result_rows == [(1,), (2,)]
    assert client.query_arrow(f"SELECT a FROM {points}").num_rows == 2
    client.close()
