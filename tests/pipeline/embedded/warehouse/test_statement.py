"""One statement is read for what it is, its FORMAT taken off, and an INSERT's data left alone."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.embedded.warehouse.errors import WarehouseError
from pipeline.embedded.warehouse.statement import Form, by_own_query_id, read_statement


@pytest.mark.parametrize(
    ("sql", "form"),
    [
        ("SELECT 1", Form.READ),
        ("(SELECT 1)", Form.READ),
        ("WITH 1 AS x SELECT x", Form.READ),
        ("FROM t SELECT a", Form.READ),
        ("/* x */ select 1", Form.READ),
        ("SHOW TABLES", Form.LOOK),
        ("DESC t", Form.LOOK),
        ("EXPLAIN SELECT 1", Form.LOOK),
        ("SET a = 1", Form.SESSION),
        ("USE x", Form.SESSION),
        ("CREATE TEMPORARY TABLE t (a Int8)", Form.SESSION),
        ("CREATE TABLE t (a Int8)", Form.WRITE),
        ("INSERT INTO t SELECT 1", Form.WRITE),
        ("INSERT INTO t WITH 1 AS x SELECT x", Form.WRITE),
        ("WITH 1 AS x INSERT INTO t SELECT x", Form.WRITE),
        ("INSERT INTO t VALUES (1)", Form.INSERT_DATA),
        ("INSERT INTO t (a) FORMAT Native", Form.INSERT_DATA),
    ],
)
def test_a_statement_has_its_form(sql: str, form: Form) -> None:
    assert read_statement(sql.encode()).form is form


@pytest.mark.parametrize(
    ("sql", "rest", "name"),
    [
        ("SELECT 1 FORMAT JSON", "SELECT 1", "JSON"),
        ("SELECT 1 format CSV ;", "SELECT 1", "CSV"),
        ("SELECT 1 FORMAT JSON SETTINGS max_threads=1", "SELECT 1  SETTINGS max_threads=1", "JSON"),
        ("SELECT 1 SETTINGS max_threads=1 FORMAT JSON", "SELECT 1 SETTINGS max_threads=1", "JSON"),
        ("SELECT * FROM (SELECT 1 AS format)", "SELECT * FROM (SELECT 1 AS format)", None),
        ("SELECT 'FORMAT JSON'", "SELECT 'FORMAT JSON'", None),
        ("SELECT 1 -- FORMAT JSON", "SELECT 1", None),
        ("SELECT a FORMAT", "SELECT a FORMAT", None),
    ],
)
def test_the_format_clause_is_taken_off(sql: str, rest: str, name: str | None) -> None:
    statement = read_statement(sql.encode())
    assert (statement.text, statement.format) == (rest, name)


@pytest.mark.parametrize(
    ("text", "data"),
    [
        (b"INSERT INTO t FORMAT TSV\n1\n", b"1\n"),
        (b"INSERT INTO t FORMAT TSV \r\n1\n", b"1\n"),
        (b"INSERT INTO t FORMAT TSV\n\n1\n", b"\n1\n"),
        (b"INSERT INTO t (a, b) VALUES (1, 'a; b')", b" (1, 'a; b')"),
        (b"INSERT INTO t SETTINGS async_insert=1 FORMAT Native\n\x00\xff'\"`", b"\x00\xff'\"`"),
        (b"INSERT INTO t (format, values) FORMAT CSV\n1", b"1"),
        (b"INSERT INTO TABLE x.values VALUES (1)", b" (1)"),
        (b"INSERT INTO x.format FORMAT CSV\n1", b"1"),
    ],
)
def test_an_inserts_data_begins_after_its_format(text: bytes, data: bytes) -> None:
    statement = read_statement(text)
    assert statement.form is Form.INSERT_DATA
    assert statement.data_start is not None
    assert text[statement.data_start :] == data


@given(st.binary(max_size=200))
def test_whatever_an_insert_carries_is_its_data(data: bytes) -> None:
    head = b"INSERT INTO t (a) FORMAT RowBinary\n"
    statement = read_statement(head + data)
    assert statement.data_start == len(head)
    assert statement.text == "INSERT INTO t (a)"


@pytest.mark.parametrize("sql", ["SELECT 1; SELECT 2", "SELECT 1;;", "", " -- nothing", "SELECT 'open", "SELECT 1 /*"])
def test_none_or_several_or_unfinished_statements_are_a_syntax_error(sql: str) -> None:
    with pytest.raises(WarehouseError) as caught:
        read_statement(sql.encode())
    assert (caught.value.code, caught.value.status) == (62, 400)


def test_a_kill_names_the_clients_own_query_id() -> None:
    statement = by_own_query_id(read_statement(b"KILL QUERY WHERE query_id = 'query_id' SYNC"))
    assert statement.text == "KILL QUERY WHERE Settings['log_comment'] = 'query_id' SYNC"
