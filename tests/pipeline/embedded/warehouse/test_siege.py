"""While the analyst and strangers do their worst, all of it at once, the owner inserts and reads."""

from __future__ import annotations

import contextlib
import socket
import threading
from base64 import b64encode
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

import httpx
import psutil
import pytest
import zstandard

from pipeline.embedded.warehouse.settings import MIB, Limits
from tests.pipeline.embedded.warehouse.running import ANALYST, OWNER, Warehouse, running

BATCHES = 10
ROWS = 1000
_BASIC = b64encode(":".join(ANALYST).encode())


@pytest.fixture(scope="module")
def besieged(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Warehouse]:
    with running(Path(tmp_path_factory.mktemp("siege"))) as it:
        it.ask("CREATE TABLE t (a UInt64) ENGINE = MergeTree ORDER BY a")
        yield it


class Attack:
    """Goes on until it is told to stop; `codes` counts the answers (0: none)."""

    def __init__(self, warehouse: Warehouse, request: Callable[[httpx.Client], httpx.Response]) -> None:
        self.codes: Counter[int] = Counter()
        self._request = request
        self._warehouse = warehouse

    def run(self, stop: threading.Event) -> None:
        with httpx.Client(base_url=self._warehouse.url, auth=ANALYST, timeout=5) as client:
            while not stop.is_set():
                try:
                    self.codes[self._request(client).status_code] += 1
                except httpx.HTTPError:
                    self.codes[0] += 1
                stop.wait(0.05)  # so that the attackers leave the owner's client a processor


def _attacks(warehouse: Warehouse) -> list[Attack]:
    words = b"INSERT INTO t" + b" a" * 120_000
    calls = b"SELECT " + b",values(1)" * 25_000
    heredocs = b"SELECT " + b" ".join(b"$a%d$" % number for number in range(28_000))
    bomb = zstandard.ZstdCompressor(level=19).compress(bytes(64 * MIB))
    sleep, slow = "SELECT sleepEachRow(1) FROM numbers(50)", {"max_block_size": "1"}
    memory = "SELECT groupArray(repeat('x', 1000)) FROM numbers(1e7)"
    coded = {"Content-Encoding": "zstd"}
    requests: list[Callable[[httpx.Client], httpx.Response]] = [
        lambda client: client.post("/", content=words),
        lambda client: client.post("/", content=calls),
        lambda client: client.post("/", content=heredocs),
        lambda client: client.post("/", content=bomb, headers=coded),
        lambda client: client.post(
            "/", params={"session_id": uuid4().hex, "session_timeout": "3600"}, content="SELECT 1"
        ),
        lambda client: client.post("/", content=memory),
        *[lambda client: client.post("/", params=slow, content=sleep)] * 16,
    ]
    return [Attack(warehouse, request) for request in requests]


def _connected(warehouse: Warehouse) -> socket.socket:
    return socket.create_connection(("127.0.0.1", warehouse.port), timeout=5)


def test_the_archive_goes_on_under_all_attacks_at_once(besieged: Warehouse) -> None:
    attacks = _attacks(besieged)
    stop = threading.Event()
    threads = [threading.Thread(target=attack.run, args=(stop,)) for attack in attacks]
    with contextlib.ExitStack() as stack:
        for _ in range(600):
            with contextlib.suppress(OSError):
                stack.enter_context(_connected(besieged))
        for thread in threads:
            thread.start()
        for thread in threads:
            stack.callback(thread.join)
        stack.callback(stop.set)
        head = stack.enter_context(_connected(besieged))
        sessions = [f"mine-{number}" for number in range(BATCHES)]
        with httpx.Client(base_url=besieged.url, auth=OWNER, timeout=120) as owner:
            for number, session in enumerate(sessions):
                with contextlib.suppress(OSError):
                    head.sendall(b"GET / HTTP/1.1\r\nX: " if number == 0 else b"a" * 65_536)
                rows = b"".join(b"%d\n" % row for row in range(number * ROWS, (number + 1) * ROWS))
                sent = owner.post(
                    "/", params={"query": "INSERT INTO t FORMAT TSV", "session_id": session}, content=rows
                )
                assert sent.status_code == 200, sent.text
                read = owner.post("/", content="SELECT count(), sum(a) FROM t")
                stored = (number + 1) * ROWS
                assert read.text == f"{stored}\t{stored * (stored - 1) // 2}\n"
        memory = psutil.Process(besieged.process.pid).memory_info().rss
    assert memory < Limits().memory
    for attack in attacks[:5]:
        assert attack.codes.total() > 0
    assert set(attacks[0].codes) <= {0, 500, 503}
    assert attacks[3].codes[200] == 0
    assert besieged.ask("SELECT count() FROM t", user=ANALYST).status in (200, 503)


def test_a_head_without_end_is_cut(besieged: Warehouse) -> None:
    with _connected(besieged) as client:
        client.sendall(b"GET / HTTP/1.1\r\nX: ")
        sent = 0
        with contextlib.suppress(OSError):
            while sent < 96 * MIB:
                sent += client.send(b"a" * 65_536)
        assert sent < 8 * MIB


def test_trailers_and_chunk_sizes_without_end_are_cut(besieged: Warehouse) -> None:
    for endless in (b"0\r\nX: ", b"1;x="):
        with _connected(besieged) as client:
            client.sendall(
                b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nAuthorization: Basic " + _BASIC + b"\r\n\r\n"
            )
            client.sendall(endless)
            sent = 0
            with contextlib.suppress(OSError):
                while sent < 96 * MIB:
                    sent += client.send(b"a" * 65_536)
            assert sent < 8 * MIB


def test_too_many_headers_are_refused(besieged: Warehouse) -> None:
    headers = [(f"x-{number}", "y") for number in range(600)]
    assert httpx.get(besieged.url + "ping", headers=headers).status_code == 400


def test_idle_sockets_make_room_for_others(besieged: Warehouse) -> None:
    owner = httpx.Client(base_url=besieged.url, auth=OWNER, timeout=60)
    with owner, contextlib.ExitStack() as stack:
        assert owner.post("/", content="SELECT 1").text == "1\n"
        for number in range(Limits().connections + 50):
            stack.enter_context(_connected(besieged))
            if number % 100 == 0:
                assert owner.post("/", content="SELECT 1").text == "1\n"
        assert besieged.ask("SELECT 1").text == "1\n"
        open_ones = psutil.Process(besieged.process.pid).net_connections()
        assert len([it for it in open_ones if it.status == "ESTABLISHED"]) <= Limits().connections


def test_an_analysts_sessions_are_bounded_and_none_of_the_owners(besieged: Warehouse) -> None:
    with httpx.Client(base_url=besieged.url, auth=ANALYST, timeout=60) as analyst:
        for number in range(Limits().analyst_sessions + 20):
            fields = {"session_id": f"s{number}", "session_timeout": "3600"}
            assert analyst.post("/", params=fields, content="SELECT 1").status_code == 200
    assert besieged.ask("SELECT 1", session_id="s119", session_check="1", user=ANALYST).status == 200
    assert besieged.ask("SELECT 1", session_id="s0", session_check="1", user=ANALYST).code == 372
    assert besieged.ask("CREATE TEMPORARY TABLE mine (a Int8)", session_id="s0").status == 200
