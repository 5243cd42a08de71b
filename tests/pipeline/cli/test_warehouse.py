"""`thalweg warehouse` against the real engine, as a user types it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from typer.testing import CliRunner

from pipeline.cli.app import build
from pipeline.errors import Misconfigured
from pipeline.warehouse.migrate import packaged
from tests.pipeline.warehouse.databases import empty_database


@pytest.fixture
def named(warehouse_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[CliRunner]:
    """A user whose environment names a warehouse."""
    with empty_database(warehouse_url) as settings:
        monkeypatch.setenv("THALWEG_CLICKHOUSE_URL", f"{warehouse_url}/{settings.database}")
        yield CliRunner()


def test_migrate_says_what_it_did_and_then_that_nothing_is_left(named: CliRunner) -> None:
    assert "applied 0001_points.sql" in named.invoke(build(), ["warehouse", "migrate"]).output
    assert named.invoke(build(), ["warehouse", "migrate"]).output == "nothing to do\n"
    assert "points_per_minute reads" in " ".join(named.invoke(build(), ["warehouse", "status"]).output.split())


def test_a_query_answers_in_the_format_asked_for(named: CliRunner) -> None:
    named.invoke(build(), ["warehouse", "migrate"])
    asked = ["warehouse", "query", "SELECT max(number) AS newest FROM migrations;", "--format", "JSONEachRow"]
    assert named.invoke(build(), asked).output == f'{{"newest":{len(packaged())}}}\n'


@pytest.mark.parametrize("sql", ["DROP TABLE migrations", "SELEC 1", "SELECT nothing_of_that_name FROM migrations"])
def test_sql_that_writes_or_is_none_is_refused(named: CliRunner, sql: str) -> None:
    named.invoke(build(), ["warehouse", "migrate"])
    assert isinstance(named.invoke(build(), ["warehouse", "query", sql]).exception, Misconfigured)
    counted = named.invoke(build(), ["warehouse", "query", "SELECT count() FROM migrations"])
    assert counted.output.endswith(f"{len(packaged())}\n")
