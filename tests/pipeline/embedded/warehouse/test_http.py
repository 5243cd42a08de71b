"""The HTTP interface answers as ClickHouse's does: codes, headers, formats, sessions, compression."""

from __future__ import annotations

import base64
import gzip
import json
import zlib
from typing import Any
from uuid import uuid4

import httpx
import lz4.frame
import pytest
import zstandard

from pipeline.embedded.warehouse.compression import decoded
from pipeline.embedded.warehouse.framing import BlockEncoder, unframed
from tests.pipeline.embedded.warehouse.running import ANALYST, OWNER, Warehouse


@pytest.mark.parametrize("path", ["", "ping", "replicas_status"])
def test_probes_need_no_password(warehouse: Warehouse, path: str) -> None:
    answer = httpx.get(warehouse.url + path)
    assert (answer.status_code, answer.text) == (200, "Ok.\n")


def test_an_unknown_path_is_not_found(warehouse: Warehouse) -> None:
    assert httpx.get(warehouse.url + "play").status_code == 404


@pytest.mark.parametrize("user", [None, ("thalweg", ""), ("thalweg", "wrong"), ("nobody", OWNER[1]), ("default", "")])
def test_a_wrong_user_or_password_is_refused(warehouse: Warehouse, user: tuple[str, str] | None) -> None:
    answer = warehouse.ask("SELECT 1", user=user)
    assert (answer.status, answer.code) == (403, 516)
    assert OWNER[1] not in answer.text


def test_credentials_come_in_three_ways(warehouse: Warehouse) -> None:
    headers = {"X-ClickHouse-User": ANALYST[0], "X-ClickHouse-Key": ANALYST[1]}
    assert warehouse.ask("SELECT 1", user=None, headers=headers).text == "1\n"
    fields = {"user": ANALYST[0], "password": ANALYST[1], "query": "SELECT 1"}
    assert httpx.get(warehouse.url, params=fields).text == "1\n"
    basic = base64.b64encode(f"{OWNER[0]}:{OWNER[1]}".encode()).decode()
    assert warehouse.ask("SELECT 1", user=None, headers={"Authorization": f"Basic {basic}"}).text == "1\n"


def test_a_result_has_clickhouses_headers(warehouse: Warehouse) -> None:
    answer = warehouse.ask("SELECT number FROM numbers(3) FORMAT CSV", query_id="my-id")
    assert answer.text == "0\n1\n2\n"
    assert answer.headers["x-clickhouse-query-id"] == "my-id"
    assert answer.headers["x-clickhouse-format"] == "CSV"
    assert answer.headers["x-clickhouse-timezone"] == "UTC"
    assert answer.headers["x-clickhouse-server-display-name"]
    assert answer.headers["content-type"].startswith("text/csv")
    assert json.loads(answer.headers["x-clickhouse-summary"])["result_rows"] == "3"


def test_the_clock_is_utc(warehouse: Warehouse) -> None:
    assert warehouse.ask("SELECT timezone(), toString(toDateTime(0))").text == "UTC\t1970-01-01 00:00:00\n"


@pytest.mark.parametrize(
    ("sql", "code", "status"),
    [
        ("SELEC 1", 62, 400),
        ("SELECT nope", 47, 404),
        ("SELECT * FROM nope", 60, 404),
        ("SELECT 1 FORMAT Nope", 73, 404),
        ("SELECT 1; SELECT 2", 62, 400),
        ("SELECT throwIf(1)", 395, 500),
        ("SELECT file('/etc/passwd')", 497, 403),
        ("", 62, 400),
        ("SELECT toDate('x')", 38, 400),
    ],
)
def test_an_error_has_its_code_and_status(warehouse: Warehouse, sql: str, code: int, status: int) -> None:
    answer = warehouse.ask(sql)
    assert (answer.code, answer.status) == (code, status)
    assert answer.text.startswith(f"Code: {code}. DB::Exception: ")


@pytest.mark.parametrize("sql", ["SHOW TABLES", "EXISTS nope", "DESCRIBE system.one", "EXPLAIN SELECT 1"])
def test_what_the_engine_cannot_stream_is_answered_too(warehouse: Warehouse, sql: str) -> None:
    assert warehouse.ask(sql).status == 200


def test_a_format_is_taken_from_query_header_or_field(warehouse: Warehouse) -> None:
    header = {"X-ClickHouse-Format": "JSONEachRow"}
    assert warehouse.ask("SELECT 1 AS a", headers=header).text == '{"a":1}\n'
    assert warehouse.ask("SELECT 1 AS a", default_format="CSVWithNames").text == '"a"\n1\n'
    assert warehouse.ask("SELECT 1 AS a FORMAT TSV", headers=header).text == "1\n"


@pytest.mark.parametrize("name", ["JSON", "Parquet", "Arrow", "ArrowStream", "Pretty", "XML"])
def test_formats_with_header_and_footer_are_whole(warehouse: Warehouse, name: str) -> None:
    answer = warehouse.ask(f"SELECT number FROM numbers(200000) FORMAT {name}")
    assert answer.status == 200
    assert answer.headers["x-clickhouse-format"] == name
    if name == "JSON":
        assert json.loads(answer.body)["rows"] == 200_000


def test_get_reads_and_does_not_write(warehouse: Warehouse, table: str) -> None:
    assert warehouse.ask(method="GET", query=f"SELECT count() FROM {table}").text == "0\n"
    for sql in (f"INSERT INTO {table} VALUES (1, 'x')", f"INSERT INTO {table} SELECT 1, 'x'", f"DROP TABLE {table}"):
        answer = warehouse.ask(method="GET", query=sql)
        assert (answer.code, answer.status) == (164, 403)
    assert warehouse.ask(f"SELECT count() FROM {table}").text == "0\n"


def test_get_does_not_write_within_a_session_that_has_state(warehouse: Warehouse, table: str) -> None:
    session = uuid4().hex
    warehouse.ask("SET max_threads = 1", session_id=session)
    assert warehouse.ask(method="GET", query=f"TRUNCATE TABLE {table}", session_id=session).code == 164


def test_a_query_in_the_url_goes_on_in_the_body(warehouse: Warehouse, table: str) -> None:
    assert warehouse.ask("1\tx\n2\ty\n", query=f"INSERT INTO {table} FORMAT TSV").status == 200
    assert warehouse.ask("(3, 'z')", query=f"INSERT INTO {table} VALUES").status == 200
    assert warehouse.ask(f"FROM {table}", query="SELECT count()").text == "3\n"


def test_an_insert_says_how_much_it_wrote(warehouse: Warehouse, table: str) -> None:
    answer = warehouse.ask(f"INSERT INTO {table} FORMAT CSV\n1,a\n2,b\n")
    assert json.loads(answer.headers["x-clickhouse-summary"])["written_rows"] == "2"


def test_data_that_looks_like_sql_is_data(warehouse: Warehouse, table: str) -> None:
    data = "1\t; DROP TABLE x --\n2\tSELECT file('/etc/passwd')\n\n"
    assert warehouse.ask(f"INSERT INTO {table} FORMAT TSV\n{data[:-1]}").status == 200
    assert (
        warehouse.ask(f"SELECT s FROM {table} ORDER BY a").text == "; DROP TABLE x --\nSELECT file(\\'/etc/passwd\\')\n"
    )


def test_a_bad_row_inserts_nothing(warehouse: Warehouse, table: str) -> None:
    answer = warehouse.ask(f"INSERT INTO {table} FORMAT TSV\n1\tx\nnot a number\ty\n")
    assert (answer.code, answer.status) == (27, 400)
    assert warehouse.ask(f"SELECT count() FROM {table}").text == "0\n"


def test_parameters_are_values_and_never_sql(warehouse: Warehouse) -> None:
    sql = "SELECT {s:String}, {n:Int32}, {a:Array(String)} FORMAT JSONCompactEachRow"
    answer = warehouse.ask(sql, param_s="it's ; \\\\ 'x' -- \\t", param_n="-5", param_a="['a','b']")
    assert json.loads(answer.body) == ["it's ; \\ 'x' -- \t", -5, ["a", "b"]]


def test_settings_in_the_url_hold_for_one_request(warehouse: Warehouse) -> None:
    assert warehouse.ask("SELECT getSetting('max_block_size')", max_block_size="77").text == "77\n"
    assert warehouse.ask("SELECT getSetting('max_block_size')").text != "77\n"
    answer = warehouse.ask("SELECT 1", no_such_setting="1")
    assert (answer.code, answer.status) == (115, 404)
    assert warehouse.ask("SELECT 1", dialect="kusto").code == 497
    hidden: dict[str, Any] = {"a = 1, dialect": "kusto"}
    assert warehouse.ask("SELECT 1", **hidden).code == 497
    several: dict[str, Any] = {"max_threads = 1, max_block_size": "5"}
    assert warehouse.ask("SELECT 1", **several).code == 36


def test_a_session_keeps_its_settings_and_tables(warehouse: Warehouse) -> None:
    session = uuid4().hex
    assert warehouse.ask("SELECT 1", session_id=session, session_check="1").code == 372
    warehouse.ask("CREATE TEMPORARY TABLE mine (a Int8)", session_id=session)
    assert warehouse.ask("INSERT INTO mine VALUES (7)", session_id=session).status == 200
    warehouse.ask("SET max_block_size = 77", session_id=session)
    fields: dict[str, Any] = {"session_id": session, "session_check": "1"}
    assert warehouse.ask("SELECT a, getSetting('max_block_size') FROM mine", **fields).text == "7\t77\n"
    assert warehouse.ask("SELECT a FROM mine").code == 60
    assert warehouse.ask("SELECT a FROM mine", user=ANALYST, session_id=session).code == 60
    assert warehouse.ask("SELECT 1", close_session="1", **fields).status == 200
    assert warehouse.ask("SELECT 1", **fields).code == 372


def test_a_requests_settings_do_not_stay_in_its_session(warehouse: Warehouse) -> None:
    session = uuid4().hex
    warehouse.ask("SET max_block_size = 77", session_id=session)
    warehouse.ask("SELECT 1", session_id=session, max_block_size="5", max_threads="3")
    sql = "SELECT getSetting('max_block_size'), getSetting('max_threads') = 3"
    assert warehouse.ask(sql, session_id=session).text == "77\t0\n"


@pytest.mark.parametrize("timeout", ["x", "-1", "99999"])
def test_a_senseless_session_timeout_is_refused(warehouse: Warehouse, timeout: str) -> None:
    assert warehouse.ask("SELECT 1", session_id="s", session_timeout=timeout).code == 374


BODIES = {
    "gzip": gzip.compress,
    "deflate": zlib.compress,
    "lz4": lz4.frame.compress,
    "zstd": zstandard.ZstdCompressor().compress,
}


@pytest.mark.parametrize("coding", BODIES)
def test_a_body_of_many_frames_is_inserted_whole(warehouse: Warehouse, table: str, coding: str) -> None:
    rows = [f"{number}\tx\n".encode() for number in range(30_000)]
    cuts = range(0, len(rows), 7_000)
    frames = b"".join(BODIES[coding](b"".join(rows[start : start + 7_000])) for start in cuts)
    answer = warehouse.ask(frames, query=f"INSERT INTO {table} FORMAT TSV", headers={"Content-Encoding": coding})
    assert answer.status == 200, answer.text
    assert json.loads(answer.headers["x-clickhouse-summary"])["written_rows"] == "30000"
    assert warehouse.ask(f"SELECT count(), sum(a) FROM {table}").text == f"30000\t{sum(range(30_000))}\n"


def test_a_damaged_body_is_refused_and_inserts_nothing(warehouse: Warehouse, table: str) -> None:
    body = gzip.compress(b"1\tx\n" * 1000)[:-9]
    answer = warehouse.ask(body, query=f"INSERT INTO {table} FORMAT TSV", headers={"Content-Encoding": "gzip"})
    assert (answer.code, answer.status) == (271, 400)
    assert warehouse.ask(f"SELECT count() FROM {table}").text == "0\n"


@pytest.mark.parametrize("coding", BODIES)
@pytest.mark.parametrize("rows", [3, 500_000])
def test_answers_are_compressed_when_asked(warehouse: Warehouse, coding: str, rows: int) -> None:
    request = httpx.Request(
        "POST",
        warehouse.url,
        params={"enable_http_compression": "1"},
        headers={"Accept-Encoding": coding, "X-ClickHouse-User": OWNER[0], "X-ClickHouse-Key": OWNER[1]},
        content=f"SELECT number FROM numbers({rows})",
    )
    with httpx.Client() as client:
        response = client.send(request, stream=True)
        raw = b"".join(response.iter_raw())
    assert response.headers["content-encoding"] == coding
    assert b"".join(decoded(coding, [raw], 1 << 30)) == b"".join(b"%d\n" % number for number in range(rows))


def test_native_blocks_go_both_ways(warehouse: Warehouse, table: str) -> None:
    """`compress=1` and `decompress=1`: what JDBC and Go speak."""
    coder = BlockEncoder()
    body = coder.encode(b"1\tx\n") + coder.encode(b"2\ty\n")
    assert warehouse.ask(body, query=f"INSERT INTO {table} FORMAT TSV", decompress="1").status == 200
    answer = warehouse.ask(f"SELECT * FROM {table} ORDER BY a", compress="1")
    assert b"".join(unframed([answer.body])) == b"1\tx\n2\ty\n"


def test_an_error_in_mid_stream_is_marked(warehouse: Warehouse) -> None:
    answer = warehouse.ask(
        "SELECT throwIf(number = 3000000) FROM numbers(5000000)", max_block_size="65505", max_threads="1"
    )
    assert answer.status == 200
    tag = answer.headers["x-clickhouse-exception-tag"]
    assert f"\r\n__exception__\r\n{tag}\r\nCode: 395." in answer.text
    assert answer.text.endswith(f"{tag}\r\n__exception__\r\n")


def test_wait_end_of_query_turns_it_into_a_plain_error(warehouse: Warehouse) -> None:
    sql = "SELECT throwIf(number = 3000000) FROM numbers(5000000)"
    answer = warehouse.ask(sql, wait_end_of_query="1", max_block_size="65505", max_threads="1")
    assert (answer.status, answer.code) == (500, 395)


def test_a_replayed_block_is_stored_once_and_only_by_its_token(warehouse: Warehouse, table: str) -> None:
    """With a window the engine drops equal blocks even without a token: writers must always send one."""
    sql = f"INSERT INTO {table} FORMAT TSV\n1\tx\n"
    for token in ("t-0-0", "t-0-0", "t-0-1"):
        assert warehouse.ask(sql, insert_deduplication_token=token).status == 200
    assert warehouse.ask(f"SELECT count() FROM {table}").text == "2\n"
    for _ in range(2):
        assert warehouse.ask(sql).status == 200
    assert warehouse.ask(f"SELECT count() FROM {table}").text == "3\n"


def test_max_execution_time_ends_a_statement(warehouse: Warehouse) -> None:
    answer = warehouse.ask("SELECT count() FROM numbers(1e13)", max_execution_time="0.5")
    assert (answer.code, answer.status) == (159, 408)


def test_external_tables_last_for_their_request(warehouse: Warehouse) -> None:
    files = {"ids": ("ids.tsv", b"1\ta\n2\tb\n")}
    fields = {"query": "SELECT a, b FROM ids ORDER BY a", "ids_format": "TSV", "ids_structure": "a UInt8, b String"}
    answer = httpx.post(warehouse.url, params=fields, files=files, auth=OWNER)
    assert answer.text == "1\ta\n2\tb\n"
    types = {"query": "SELECT _1, _2 FROM ids", "ids_types": "UInt8, Tuple(a String, b String)"}
    answer = httpx.post(warehouse.url, params=types, files={"ids": ("x", b"1\t('a','b')\n")}, auth=ANALYST)
    assert answer.text == "1\t('a','b')\n"
    assert warehouse.ask("SELECT * FROM ids").code == 60


@pytest.mark.parametrize(
    "structure", ["a Int8) ENGINE = File(CSV", "a Int8 DEFAULT file('/etc/passwd')", "a Int8), (b Int8", ""]
)
def test_an_external_tables_structure_is_no_way_around(warehouse: Warehouse, structure: str) -> None:
    fields = {"query": "SELECT * FROM ids", "ids_structure": structure}
    answer = httpx.post(warehouse.url, params=fields, files={"ids": ("x", b"1\n")}, auth=ANALYST)
    assert answer.status_code in (400, 403)


def test_form_fields_may_hold_the_query(warehouse: Warehouse) -> None:
    answer = httpx.post(warehouse.url, files={"query": (None, "SELECT {n:Int8}"), "param_n": (None, "5")}, auth=OWNER)
    assert answer.text == "5\n"


@pytest.mark.parametrize(
    "values", ["(1, file('/etc/passwd'))", "(1, `fi\\x6ce`('/etc/passwd'))", "(1, arrayMap(file, ['x']))"]
)
def test_expressions_among_values_are_refused_like_any_sql(warehouse: Warehouse, table: str, values: str) -> None:
    for announced in ("VALUES", "FORMAT Values\n", "FORMAT values\n"):
        assert warehouse.ask(f"INSERT INTO {table} {announced} {values}").code == 497
    assert warehouse.ask(f"SELECT count() FROM {table}").text == "0\n"


def test_harmless_expressions_among_values_are_evaluated(warehouse: Warehouse, table: str) -> None:
    assert warehouse.ask(f"INSERT INTO {table} VALUES (1 + 1, concat('file', '(', 'x')), (3, 'it''s')").status == 200
    assert warehouse.ask(f"SELECT a, s FROM {table} ORDER BY a FORMAT TSVRaw").text == "2\tfile(x\n3\tit's\n"


def test_values_too_long_to_be_checked_are_literals_only(warehouse: Warehouse, table: str) -> None:
    rows = ", ".join(f"({number}, 'some text to make it long')" for number in range(60_000))
    assert warehouse.ask(f"INSERT INTO {table} VALUES {rows}").status == 200
    assert warehouse.ask(f"SELECT count() FROM {table}").text == "60000\n"
    answer = warehouse.ask(f"INSERT INTO {table} VALUES {rows}, (1, file('/etc/passwd'))")
    assert answer.code == 344
    assert warehouse.ask(f"SELECT count() FROM {table} WHERE s LIKE '%root%'").text == "0\n"


def test_external_values_are_literals_only(warehouse: Warehouse) -> None:
    fields = {"query": "SELECT * FROM m", "m_format": "Values", "m_structure": "s String"}
    bad = httpx.post(warehouse.url, params=fields, files={"m": ("x", b"(file('/etc/passwd'))")}, auth=ANALYST)
    assert bad.headers["x-clickhouse-exception-code"] == "344"
    good = httpx.post(warehouse.url, params=fields, files={"m": ("x", b"('a'), ('b')")}, auth=ANALYST)
    assert good.text == "a\nb\n"
