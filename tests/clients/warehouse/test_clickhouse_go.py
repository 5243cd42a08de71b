"""clickhouse-go over HTTP, which Grafana's plugin stands on, as the warehouse's owner and as its reader."""

from __future__ import annotations

import pytest

from tests.clients.warehouse.conftest import TABLE
from tests.clients.warehouse.programs import go_program, said
from tests.pipeline.embedded.warehouse.running import ANALYST, OWNER, Warehouse

pytestmark = pytest.mark.timeout(900)  # the first time its modules are fetched and compiled
CODINGS = ("none", "lz4", "zstd", "gzip", "deflate", "br")
INSERTED = ("none", "lz4", "gzip")


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    return go_program(tmp_path_factory.mktemp("go"))


@pytest.fixture(scope="module")
def owner(warehouse: Warehouse, program: list[str]) -> dict[str, str]:
    return said(program, f"127.0.0.1:{warehouse.port}", *OWNER, TABLE)


@pytest.fixture(scope="module")
def reader(warehouse: Warehouse, program: list[str], owner: dict[str, str]) -> dict[str, str]:
    """After the owner, whose rows it reads."""
    return said(program, f"127.0.0.1:{warehouse.port}", *ANALYST, TABLE)


def test_both_read_all_that_there_is(owner: dict[str, str], reader: dict[str, str]) -> None:
    for it in (owner, reader):
        assert (it["ping"], it["database/sql"]) == ("pong", "pong")
        assert it["types"] == (
            "-1; 7; text; abc; 2020-02-29T00:00:00Z; 2020-02-29T12:00:00Z; 2020-02-29T12:00:00.123456Z; 1.5; "
            "61f0c404-5cb3-11e7-907b-a6006ad3dba0; 1.2.3.4; true; [1 2]; map[a:1]; [1 x]; n; <nil>; low; a; 1.5"
        )
        assert "LowCardinality(String)" in it["type names"]
        assert (it["parameters"], it["bound"]) == ("it's \\ ; -- x-5", "it's7")
        large = {it[f"large {coding}"] for coding in CODINGS}
        assert large == {f"200000 {sum(range(200_000))} 1088890"}
        assert it["stored"] == f"300000 {3 * sum(range(100_000))}"
        assert it["empty"] == "error: sql: no rows in result set"


def test_only_the_owner_writes(owner: dict[str, str], reader: dict[str, str]) -> None:
    assert {owner[f"insert {coding}"] for coding in INSERTED} == {"sent"}
    assert {reader[f"insert {coding}"] for coding in INSERTED} == {"code 164"}
    assert (owner["write"], reader["write"]) == ("code 60", "code 164")
    assert (owner["temporary"], reader["temporary table"], reader["temporary"]) == ("7", "code 164", "code 60")


def test_faults_are_told_by_their_code_even_late(owner: dict[str, str], reader: dict[str, str]) -> None:
    assert (owner["syntax"], owner["no table"], owner["late fault"]) == ("code 62", "code 60", "code 395")
    assert (reader["no table"], reader["late fault"]) == ("code 60", "code 395")


def test_a_reader_sets_what_does_no_harm(reader: dict[str, str]) -> None:
    assert (reader["harmless"], reader["lowered"]) == ("false", "5")
    assert (reader["raised"], reader["constant"]) == ("code 452", "code 452")


def test_a_patient_context_is_no_fault(owner: dict[str, str], reader: dict[str, str]) -> None:
    """Its deadline is sent as max_execution_time: more than a reader's queries may take."""
    assert (owner["patient"], reader["patient"]) == ("done", "done")


def test_a_context_that_is_cancelled_ends_its_query(
    warehouse: Warehouse, owner: dict[str, str], reader: dict[str, str]
) -> None:
    for it in (owner, reader):
        assert (it["cancelled"], it["afterwards"]) == ("cancelled", "answers")
    sql = f"SELECT count() FROM system.processes WHERE query LIKE '%{TABLE}%' AND query LIKE '%numbers(1e12)'"
    assert warehouse.ask(sql).text == "0\n"
