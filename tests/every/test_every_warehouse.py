"""What every warehouse must do for the clients that speak to it: the embedded one, and a ClickHouse server where
THALWEG_TEST_CLICKHOUSE_URL (http://user:password@host:port) names one."""

from __future__ import annotations

import asyncio
import datetime
import itertools
import json
import os
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote, urlsplit

import clickhouse_connect
import httpx
import numpy as np
import pyarrow as pa
import pytest
from clickhouse_connect.driver.exceptions import DatabaseError, StreamFailureError
from clickhouse_connect.driver.external import ExternalData

from tests.pipeline.embedded.warehouse.running import OWNER, running

VARIABLE = "THALWEG_TEST_CLICKHOUSE_URL"
CODINGS = ["lz4", "zstd", "gzip", ""]
ROWS = 100_000


@dataclass(frozen=True)
class Server:
    host: str
    port: int
    user: str
    password: str
    database: str

    def options(self) -> dict[str, Any]:
        return {"host": self.host, "port": self.port, "username": self.user, "password": self.password}

    def client(self, **options: Any) -> Any:
        return clickhouse_connect.get_client(**self.options(), database=self.database, **options)

    def ask(self, body: str | bytes, **fields: str) -> httpx.Response:
        params = {"database": self.database} | fields
        address = f"http://{self.host}:{self.port}/"
        return httpx.post(address, params=params, content=body, auth=(self.user, self.password), timeout=60)


@pytest.fixture(scope="module", params=["embedded", *(["server"] if os.environ.get(VARIABLE) else [])])
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A warehouse with a database of this module's own."""
    database = f"contract_{uuid.uuid4().hex}"
    if request.param == "embedded":
        with running(tmp_path_factory.mktemp("contract")) as embedded:
            embedded.ask(f"CREATE DATABASE {database}")
            yield Server("127.0.0.1", embedded.port, *OWNER, database)
        return
    url = urlsplit(os.environ[VARIABLE])
    account = (unquote(url.username or "default"), unquote(url.password or ""))
    it = Server(url.hostname or "127.0.0.1", url.port or 8123, *account, database)
    root = clickhouse_connect.get_client(**it.options())
    root.command(f"CREATE DATABASE {database}")
    yield it
    root.command(f"DROP DATABASE {database}")
    root.close()


@pytest.fixture(scope="module")
def client(server: Server) -> Iterator[Any]:
    it = server.client()
    yield it
    it.close()


@pytest.fixture
def table(client: Any) -> str:
    """a UInt64, s LowCardinality(String), v Array(Float64), t DateTime64(6): what our own tables are made of."""
    name = f"t_{uuid.uuid4().hex}"
    columns = "a UInt64, s LowCardinality(String), v Array(Float64), t DateTime64(6)"
    window = "SETTINGS non_replicated_deduplication_window = 100"
    client.command(f"CREATE TABLE {name} ({columns}) ENGINE = MergeTree ORDER BY a {window}")
    return name


def _arrow(rows: int = ROWS) -> pa.Table:
    return pa.table(
        {
            "a": pa.array(np.arange(rows, dtype=np.uint64)),
            "s": pa.array([f"s{number % 50}" for number in range(rows)]),
            "v": pa.array([[number / 2, -1.0] for number in range(rows)]),
            "t": pa.array(np.arange(rows, dtype=np.int64), type=pa.timestamp("us", "UTC")),
        }
    )


def _state(client: Any, table: str) -> tuple[Any, ...]:
    sql = f"SELECT count(), sum(a), uniqExact(s), sum(arraySum(v)), sum(toUnixTimestamp64Micro(t)) FROM {table}"
    (row,) = client.query(sql).result_rows
    return tuple(row)


EXPECTED = (ROWS, ROWS * (ROWS - 1) // 2, 50, ROWS * (ROWS - 1) / 4 - ROWS, ROWS * (ROWS - 1) // 2)


def test_it_says_that_it_lives(server: Server) -> None:
    assert httpx.get(f"http://{server.host}:{server.port}/ping").text == "Ok.\n"


def test_a_wrong_password_is_refused(server: Server) -> None:
    answer = httpx.post(f"http://{server.host}:{server.port}/", content="SELECT 1", auth=(server.user, "wrong"))
    assert answer.status_code in (401, 403)
    assert answer.headers["x-clickhouse-exception-code"] in ("516", "194")


@pytest.mark.parametrize("coding", CODINGS)
def test_arrow_is_inserted_whole_in_any_compression(server: Server, table: str, coding: str) -> None:
    """clickhouse-connect sends several frames in one body: a reader of the first alone loses most rows."""
    client = server.client(compress=coding or False)
    summary = client.insert_arrow(table, _arrow())
    assert summary.written_rows == ROWS
    assert _state(client, table) == EXPECTED
    client.close()


@pytest.mark.parametrize("coding", CODINGS)
def test_native_is_inserted_whole_in_any_compression(server: Server, table: str, coding: str) -> None:
    client = server.client(compress=coding or False)
    epoch = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
    columns: list[list[Any]] = [
        list(range(ROWS)),
        [f"s{number % 50}" for number in range(ROWS)],
        [[number / 2, -1.0] for number in range(ROWS)],
        [epoch + datetime.timedelta(microseconds=number) for number in range(ROWS)],
    ]
    summary = client.insert(table, columns, column_oriented=True)
    assert summary.written_rows == ROWS
    assert _state(client, table) == EXPECTED
    client.close()


def test_a_data_frame_goes_in_and_comes_out(client: Any, table: str) -> None:
    frame = client.query_df("SELECT number AS a, toString(number % 50) AS s FROM numbers(1000)")
    client.insert_df(table, frame)
    assert client.query_df(f"SELECT a, s FROM {table} ORDER BY a").equals(frame)


def test_results_come_as_rows_arrays_arrow_and_frames(client: Any, table: str) -> None:
    client.insert_arrow(table, _arrow())
    sql = f"SELECT a, s, v, t FROM {table} ORDER BY a"
    assert client.query(sql).result_rows[ROWS - 1][0] == ROWS - 1
    assert client.query_arrow(sql).num_rows == ROWS
    assert client.query_arrow(sql).column("v").to_pylist()[10] == [5.0, -1.0]
    assert client.query_df(sql).shape == (ROWS, 4)
    assert client.query_np(f"SELECT a FROM {table} ORDER BY a").reshape(-1).tolist() == list(range(ROWS))


def test_results_are_streamed(client: Any, table: str) -> None:
    client.insert_arrow(table, _arrow())
    sql = f"SELECT a FROM {table} ORDER BY a"
    with client.query_row_block_stream(sql) as blocks:
        rows = [row[0] for block in blocks for row in block]
    assert rows == list(range(ROWS))
    with client.query_rows_stream(sql) as stream:
        assert sum(row[0] for row in stream) == sum(range(ROWS))
    with client.query_df_stream(sql) as frames:
        assert sum(len(frame) for frame in frames) == ROWS
    with client.query_arrow_stream(sql) as batches:
        assert sum(batch.num_rows for batch in batches) == ROWS
    with client.raw_stream(sql, fmt="CSV") as raw:
        assert raw.read().split() == [str(number).encode() for number in range(ROWS)]


def test_an_empty_result_is_no_rows(client: Any, table: str) -> None:
    assert client.query(f"SELECT a FROM {table}").result_rows == []
    assert client.query_arrow(f"SELECT a FROM {table}").num_rows == 0
    assert client.query_df(f"SELECT a FROM {table}").empty


def test_an_error_in_mid_stream_is_raised(client: Any) -> None:
    sql = "SELECT throwIf(number = 8000000, 'too far') FROM numbers(20000000)"
    with pytest.raises((StreamFailureError, DatabaseError), match="too far"), client.query_row_block_stream(sql) as it:
        for _ in it:
            pass


def test_values_are_parameters(client: Any) -> None:
    moment = datetime.datetime(2026, 1, 2, 3, 4, 5, tzinfo=datetime.UTC)
    values = {"s": "it's\t\\ \n é", "a": [1, 2], "d": moment, "n": None, "f": 1.5, "l": ["x'", "\\"]}
    sql = "SELECT {s:String}, {a:Array(Int32)}, {d:DateTime}, {n:Nullable(String)}, {f:Float64}, {l:Array(String)}"
    assert client.query(sql, parameters=values).result_rows == [
        (*(values | {"d": moment.replace(tzinfo=None)}).values(),)
    ]


def test_settings_hold_for_their_query(client: Any) -> None:
    sql = "SELECT getSetting('max_block_size')"
    assert client.query(sql, settings={"max_block_size": 77}).result_rows == [(77,)]
    assert client.query(sql).result_rows != [(77,)]


def test_an_unknown_table_is_404_and_code_60(server: Server) -> None:
    answer = server.ask("SELECT * FROM no_such_table")
    assert (answer.status_code, answer.headers["x-clickhouse-exception-code"]) == (404, "60")
    assert answer.text.startswith("Code: 60.")
    answer = server.ask("SELECT 1 +")
    assert (answer.status_code, answer.headers["x-clickhouse-exception-code"]) == (400, "62")


def test_a_statement_must_be_alone(server: Server) -> None:
    assert server.ask("SELECT 1; SELECT 2").headers["x-clickhouse-exception-code"] == "62"


def test_curl_inserts_and_reads(server: Server, table: str) -> None:
    assert server.ask('{"a": 1, "s": "x"}\n{"a": 2}', query=f"INSERT INTO {table} (a, s) FORMAT JSONEachRow").text == ""
    assert server.ask(f"INSERT INTO {table} (a, s) VALUES (3, 'it''s; x'), (1 + 3, 'y')").status_code == 200
    answer = server.ask(f"SELECT a, s FROM {table} ORDER BY a FORMAT JSONCompact")
    assert [int(row[0]) for row in answer.json()["data"]] == [1, 2, 3, 4]
    assert answer.headers["x-clickhouse-format"] == "JSONCompact"
    assert json.loads(answer.headers["x-clickhouse-summary"])["read_rows"] == "4"


def test_a_token_lets_a_batch_in_once(client: Any, table: str) -> None:
    batch = _arrow(1000)
    for token in ("points-0-0-999", "points-0-0-999", "points-0-1000-1999"):
        client.insert_arrow(table, batch, settings={"insert_deduplication_token": token})
    assert client.query(f"SELECT count() FROM {table}").result_rows == [(2000,)]


def test_a_rollup_does_not_count_a_replayed_batch_twice(client: Any, table: str) -> None:
    columns = "(s LowCardinality(String), n UInt64)"
    client.command(
        f"CREATE TABLE {table}_r {columns} ENGINE = SummingMergeTree ORDER BY s "
        "SETTINGS non_replicated_deduplication_window = 100"
    )
    client.command(f"CREATE MATERIALIZED VIEW {table}_v TO {table}_r AS SELECT s, count() AS n FROM {table} GROUP BY s")
    settings = {"insert_deduplication_token": "t", "deduplicate_blocks_in_dependent_materialized_views": 1}
    for _ in range(2):
        client.insert_arrow(table, _arrow(1000), settings=settings)
    assert client.query(f"SELECT sum(n) FROM {table}_r").result_rows == [(1000,)]


def test_a_session_keeps_temporary_tables(server: Server) -> None:
    client = server.client(session_id=uuid.uuid4().hex)
    client.command("CREATE TEMPORARY TABLE mine (a UInt8)")
    client.insert("mine", [[1], [2]], column_names=["a"], column_type_names=["UInt8"])
    assert client.query("SELECT sum(a) FROM mine").result_rows == [(3,)]
    client.close()


def test_external_data_is_joined(client: Any) -> None:
    brought = ExternalData(file_name="brought", fmt="CSV", structure=["k UInt8", "v String"], data=b"1,x\n2,y\n")
    rows = client.query("SELECT v FROM brought WHERE k = 2", external_data=brought).result_rows
    assert rows == [("y",)]


def test_dates_and_times_are_utc_and_to_the_microsecond(client: Any, table: str) -> None:
    moment = datetime.datetime(2026, 7, 1, 12, 0, 0, 123456, tzinfo=datetime.UTC)
    client.insert(table, [[1, "x", [], moment]])
    assert client.query(f"SELECT t, toString(t) FROM {table}").result_rows == [
        (moment.replace(tzinfo=None), "2026-07-01 12:00:00.123456")
    ]


async def test_the_async_client_does_the_same(server: Server, table: str) -> None:
    client = await clickhouse_connect.get_async_client(**server.options(), database=server.database)
    await client.insert_arrow(table, _arrow())
    assert _sum(await client.query(f"SELECT a FROM {table}")) == EXPECTED[1]
    queries = (client.query(f"SELECT sum(number) + {n} FROM numbers(100000)") for n in range(20))
    results = await asyncio.gather(*queries)
    assert [result.result_rows[0][0] - 4_999_950_000 for result in results] == list(range(20))
    async with await client.query_row_block_stream(f"SELECT a FROM {table} ORDER BY a") as blocks:
        rows = [row[0] async for block in blocks for row in block]
    assert rows == list(range(ROWS))
    await client.close()


def _sum(result: Any) -> int:
    return sum(itertools.chain.from_iterable(result.result_rows))
