"""Every resource is bounded, and what exceeds a bound is refused with a reason."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import psutil
import pytest
import zstandard

from pipeline.embedded.warehouse.admission import Admission
from pipeline.embedded.warehouse.errors import WarehouseError
from pipeline.embedded.warehouse.settings import MIB, Limits
from pipeline.embedded.warehouse.users import Throttle
from tests.pipeline.embedded.warehouse.running import OWNER, Warehouse, running


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Warehouse]:
    """A warehouse that takes bodies of at most 1 MiB."""
    with running(Path(tmp_path_factory.mktemp("small")), THALWEG_WAREHOUSE_BODY_MIB="1") as it:
        it.ask("CREATE TABLE t (a UInt64) ENGINE = MergeTree ORDER BY a")
        yield it


def test_a_body_past_its_bound_is_refused(small: Warehouse) -> None:
    answer = small.ask(b"1\n" * MIB, query="INSERT INTO t FORMAT TSV")
    assert answer.status == 413
    assert "1048576" in answer.text


def test_a_body_of_undeclared_length_is_refused_too(small: Warehouse) -> None:
    pieces = (b"1\n" * 32_768 for _ in range(64))
    answer = httpx.post(small.url, params={"query": "INSERT INTO t FORMAT TSV"}, content=pieces, auth=OWNER)
    assert answer.status_code == 413


def test_a_bomb_is_refused_and_nothing_of_it_stored(small: Warehouse) -> None:
    bomb = zstandard.ZstdCompressor().compress(bytes(64 * MIB))
    answer = small.ask(bomb, query="INSERT INTO t FORMAT RowBinary", headers={"Content-Encoding": "zstd"})
    assert answer.status == 413
    assert small.ask("SELECT count() FROM t").text == "0\n"


def test_a_query_past_its_bound_is_refused(small: Warehouse) -> None:
    body = gzip.compress(b"SELECT 1 " + b" " * 2 * MIB)
    answer = small.ask(body, headers={"Content-Encoding": "gzip"})
    assert (answer.code, answer.status) == (264, 413)


def test_the_engine_has_its_bounds(warehouse: Warehouse) -> None:
    sql = "SELECT name, value FROM system.server_settings WHERE name IN ({}) ORDER BY name"
    answer = warehouse.ask(sql.format("'max_thread_pool_free_size', 'max_server_memory_usage', 'mark_cache_size'"))
    expected = {"mark_cache_size": 128 * MIB, "max_server_memory_usage": Limits().memory}
    read = {name: int(value) for name, value in (line.split("\t") for line in answer.text.splitlines())}
    assert read == {**expected, "max_thread_pool_free_size": 16}
    ttl = warehouse.ask("SYSTEM FLUSH LOGS").status, warehouse.ask("SHOW CREATE TABLE system.query_log").text
    assert ttl[0] == 200
    assert "toIntervalDay(7)" in ttl[1]


def test_threads_and_descriptors_do_not_grow_with_requests(warehouse: Warehouse) -> None:
    """A pooled thread of the engine holds three descriptors: without the bound it was hundreds."""
    clients = [warehouse.client() for _ in range(4)]
    for _ in range(20):
        for client in clients:
            client.query("SELECT number % 7 AS k, count() FROM numbers(100000) GROUP BY k")
    for client in clients:
        client.close()
    process = psutil.Process(warehouse.process.pid)
    assert process.num_threads() < 150
    assert process.num_fds() < 400


async def test_more_than_may_run_or_wait_is_refused() -> None:
    admission = Admission(Limits(workers=1, queue=1, queue_wait=0.05))
    await admission.enter()
    waiting = asyncio.create_task(admission.enter())
    await asyncio.sleep(0)
    with pytest.raises(WarehouseError) as caught:
        await admission.enter()
    assert (caught.value.code, caught.value.status) == (202, 503)
    with pytest.raises(WarehouseError):
        await waiting
    admission.leave()
    await admission.enter()


def test_the_bytes_of_all_bodies_together_are_bounded() -> None:
    admission = Admission(Limits(in_flight=100))
    admission.hold(60)
    with pytest.raises(WarehouseError) as caught:
        admission.hold(60)
    assert caught.value.status == 503
    admission.go(60)
    admission.hold(60)


def test_forty_at_once_all_get_their_answer(warehouse: Warehouse) -> None:
    with ThreadPoolExecutor(40) as pool:
        answers = list(pool.map(lambda n: warehouse.ask(f"SELECT sum(number) + {n} FROM numbers(1000000)"), range(40)))
    assert [answer.text for answer in answers] == [f"{499_999_500_000 + n}\n" for n in range(40)]


def test_failed_logins_wait_longer_and_longer() -> None:
    throttle = Throttle()
    waits = [throttle.failed("thalweg") for _ in range(8)]
    assert waits[0] == pytest.approx(0.1)
    assert waits == sorted(waits)
    assert waits[-1] == pytest.approx(3.0)
    assert throttle.failed("another") == pytest.approx(0.1)
