"""A client that leaves, or is told to be killed, frees its worker; what it ran is ended in the engine."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import httpx
import pytest

from tests.pipeline.embedded.warehouse.running import OWNER, Warehouse

FOREVER = "SELECT count() FROM numbers(1e15) WHERE NOT ignore(sipHash64(number))"


def _runs(warehouse: Warehouse, query_id: str) -> bool:
    sql = f"SELECT count() FROM system.processes WHERE Settings['log_comment'] = '{query_id}'"
    return warehouse.ask(sql).text == "1\n"


def _comes_true(warehouse: Warehouse, query_id: str, running: bool) -> bool:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        if _runs(warehouse, query_id) is running:
            return True
        time.sleep(0.05)
    return False


def test_a_client_that_gives_up_waiting_ends_its_statement(warehouse: Warehouse) -> None:
    query_id = uuid4().hex
    with ThreadPoolExecutor(1) as pool:
        request = pool.submit(
            httpx.post, warehouse.url, params={"query_id": query_id}, content=FOREVER, auth=OWNER, timeout=3
        )
        assert _comes_true(warehouse, query_id, running=True)
        with pytest.raises(httpx.ReadTimeout):
            request.result()
    assert _comes_true(warehouse, query_id, running=False)


def test_a_client_that_leaves_in_mid_stream_ends_its_statement(warehouse: Warehouse) -> None:
    query_id = uuid4().hex
    sql = "SELECT number, sipHash64(number) FROM numbers(1e12)"
    fields = {"query_id": query_id}
    with httpx.stream("POST", warehouse.url, params=fields, content=sql, auth=OWNER, timeout=60) as answer:
        pieces = answer.iter_raw()  # held: httpx closes the connection once this is forgotten
        assert len(next(pieces)) > 0
        assert _runs(warehouse, query_id)
    assert _comes_true(warehouse, query_id, running=False)


def test_many_that_leave_do_not_use_up_the_workers(warehouse: Warehouse) -> None:
    for _ in range(40):
        with httpx.stream("POST", warehouse.url, content="SELECT number FROM numbers(1e12)", auth=OWNER) as answer:
            next(answer.iter_raw())
    assert warehouse.ask("SELECT 1").text == "1\n"


def test_a_query_is_killed_by_the_id_its_client_gave(warehouse: Warehouse) -> None:
    query_id = uuid4().hex
    with ThreadPoolExecutor(1) as pool:
        request = pool.submit(warehouse.ask, FOREVER, query_id=query_id)
        assert _comes_true(warehouse, query_id, running=True)
        assert warehouse.ask(f"KILL QUERY WHERE query_id = '{query_id}' SYNC").status == 200
        answer = request.result()
    assert answer.code == 394


def test_an_id_that_is_running_cannot_be_used_again(warehouse: Warehouse) -> None:
    query_id = uuid4().hex
    with ThreadPoolExecutor(1) as pool:
        request = pool.submit(warehouse.ask, FOREVER, query_id=query_id)
        assert _comes_true(warehouse, query_id, running=True)
        assert warehouse.ask("SELECT 1", query_id=query_id).code == 216
        warehouse.ask(f"KILL QUERY WHERE query_id = '{query_id}' SYNC")
        request.result()
    assert warehouse.ask("SELECT 1", query_id=query_id).text == "1\n"
