"""clickhouse-jdbc, which DBeaver and most Java programs use, as the warehouse's owner and as its reader."""

from __future__ import annotations

import pytest

from tests.clients.warehouse.conftest import TABLE
from tests.clients.warehouse.programs import java_program, said
from tests.pipeline.embedded.warehouse.running import ANALYST, OWNER, Warehouse
from tests.pipeline.kafka.topics import until

COMPRESSIONS = ("compress=false", "compress=true", "client.use_http_compression=true")

pytestmark = pytest.mark.timeout(900)  # the first time its jars are fetched


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    return java_program(tmp_path_factory.mktemp("jdbc"))


@pytest.fixture(scope="module")
def owner(warehouse: Warehouse, program: list[str]) -> dict[str, str]:
    return said(program, f"127.0.0.1:{warehouse.port}", *OWNER, TABLE)


@pytest.fixture(scope="module")
def reader(warehouse: Warehouse, program: list[str], owner: dict[str, str]) -> dict[str, str]:
    """After the owner, whose rows it reads."""
    return said(program, f"127.0.0.1:{warehouse.port}", *ANALYST, TABLE)


def test_both_read_all_that_there_is(owner: dict[str, str], reader: dict[str, str]) -> None:
    for it in (owner, reader):
        assert (it["ping"], it["tables"], it["columns"]) == ("true", TABLE, "a UInt64; s String")
        assert it["types"] == (
            "-1; 7; text; abc; 2020-02-29; 2020-02-29 12:00:00.123456; 1.50; "
            "61f0c404-5cb3-11e7-907b-a6006ad3dba0; 1.2.3.4; true; [1, 2]; n; null; low; a; 1.5"
        )
        assert it["parameters"] == "it's \\ ; -- x-5"
        assert {it[f"large {each}"] for each in COMPRESSIONS} == {f"200000 {sum(range(200_000))} 1088890"}
        assert it["stored"] == f"1000 {sum(range(1000))}"
        assert it["afterwards"] == "answers"


def test_only_the_owner_writes(owner: dict[str, str], reader: dict[str, str]) -> None:
    assert (owner["insert"], reader["insert"]) == ("sent 1000", "code 164")
    assert (owner["write"], reader["write"]) == ("code 60", "code 164")


def test_faults_are_told_by_their_code(owner: dict[str, str], reader: dict[str, str]) -> None:
    for it in (owner, reader):
        assert (it["syntax"], it["no table"]) == ("code 62", "code 60")


def test_a_reader_sets_what_does_no_harm(reader: dict[str, str]) -> None:
    """Every query of this driver says async_insert=0 besides."""
    assert (reader["harmless"], reader["lowered"]) == ("true", "5")
    assert (reader["raised"], reader["constant"]) == ("code 452", "code 452")


async def test_a_statement_is_cancelled_by_its_owner_and_ends_with_the_reader_who_leaves(
    warehouse: Warehouse, owner: dict[str, str], reader: dict[str, str]
) -> None:
    """The driver asks for KILL QUERY, which no reader may: what a reader runs ends with its connection."""
    assert (owner["ended"], owner["cancelled"], owner["afterwards"]) == ("code 394", "done", "answers")
    assert (reader["cancelled"], reader["afterwards"]) == ("code 164", "answers")
    sql = "SELECT count() FROM system.processes WHERE query LIKE '%sipHash64%' AND query NOT LIKE '%processes%'"
    await until(lambda: warehouse.ask(sql).text == "0\n")
