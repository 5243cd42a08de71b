"""Request ids, headers, sizes and times, over real sockets where sockets matter."""

from __future__ import annotations

import asyncio
import gzip
import json
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest
import websockets
from fastapi import APIRouter, Depends, FastAPI
from starlette.requests import Request
from starlette.responses import StreamingResponse

from ingest_api import requests
from ingest_api.app import create_app
from ingest_api.auth import public
from ingest_api.domain import Domain
from ingest_api.json import Json
from tests.doubles.desk import wired
from tests.doubles.door import app_with, client_of, served, settings_with

LIMIT = 100_000
router = APIRouter(dependencies=[Depends(public())])


@router.post("/test/size")
async def size(request: Request) -> Json:
    return Json({"size": len(await request.body())})


@router.post("/test/unread")
async def unread() -> Json:
    return Json({"read": False})


@router.get("/test/broken")
async def broken() -> Json:
    raise RuntimeError("the secret of the inside")


@router.get("/test/endless")
async def endless() -> Json:
    await asyncio.Event().wait()
    raise AssertionError("nobody sets it")


@router.get("/test/half")
async def half() -> StreamingResponse:
    async def halves() -> AsyncIterator[bytes]:
        yield b"half"
        raise RuntimeError("the secret of the inside")

    return StreamingResponse(halves())


def app_for_tests(monkeypatch: pytest.MonkeyPatch, **overrides: object) -> FastAPI:
    monkeypatch.setattr("ingest_api.app.DOMAINS", (Domain("test", router),))
    settings = settings_with(body_limit=LIMIT, **overrides)
    return create_app(settings, wired(settings))


@pytest.fixture
async def port(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[int]:
    monkeypatch.setattr(requests, "_LINGER_SECONDS", 0.5)
    app = app_for_tests(monkeypatch, body_timeout=1)
    async with served(app, app.state.wiring.settings) as (_, number):
        yield number


@asynccontextmanager
async def connected(port: int) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        yield reader, writer
    finally:
        writer.close()


async def answer_from(reader: asyncio.StreamReader) -> tuple[int, dict[str, str], bytes]:
    """(status, headers, body) of one answer that has a Content-Length."""
    head = (await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 20)).decode().split("\r\n")
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in head[1:] if line)}
    body = await asyncio.wait_for(reader.readexactly(int(headers.get("content-length", 0))), 20)
    return int(head[0].split()[1]), headers, body


async def once(http: httpx.AsyncClient, url: str, status: int, content: bytes | None = None) -> httpx.Response:
    """The first answer with that status, asking again and again."""
    for _ in range(1000):
        answer = await http.request("GET" if content is None else "POST", url, content=content)
        if answer.status_code == status:
            return answer
        await asyncio.sleep(0.01)
    raise AssertionError(f"never {status}")


async def test_a_fit_request_id_comes_back_and_an_unfit_one_is_replaced() -> None:
    async with client_of(app_with()) as http:
        fit = await http.get("/live", headers={"X-Request-ID": "my.id-1_2"})
        assert fit.headers["X-Request-ID"] == "my.id-1_2"
        for unfit in ("", "a b", "x" * 65, "new\\nline", "<script>"):
            answer = await http.get("/live", headers={"X-Request-ID": unfit})
            assert answer.headers["X-Request-ID"].startswith("req_")
            assert len(answer.headers["X-Request-ID"]) == 20


async def test_every_answer_has_the_headers_that_keep_browsers_from_mischief() -> None:
    async with client_of(app_with()) as http:
        for path in ("/live", "/nothing", "/auth/me"):
            answer = await http.get(path)
            assert answer.headers["X-Content-Type-Options"] == "nosniff"
            assert answer.headers["X-Frame-Options"] == "DENY"
            assert "Strict-Transport-Security" not in answer.headers, "that is for TLS alone"
            assert answer.headers["Cache-Control"] == "no-store"
            assert "default-src 'none'" in answer.headers["Content-Security-Policy"]


async def test_no_origin_is_allowed_unless_it_is_set() -> None:
    page = {"Origin": "https://console.example"}
    async with client_of(app_with()) as http:
        assert "access-control-allow-origin" not in (await http.get("/live", headers=page)).headers
    async with client_of(app_with(cors_origins=("https://console.example",))) as http:
        answer = await http.get("/live", headers=page)
        assert answer.headers["Access-Control-Allow-Origin"] == "https://console.example"
        assert "X-Request-ID" in answer.headers["Access-Control-Expose-Headers"]
        assert answer.headers["Access-Control-Allow-Credentials"] == "true"
        other = await http.get("/live", headers={"Origin": "https://evil.example"})
        assert "access-control-allow-origin" not in other.headers
        preflight = await http.options(
            "/auth/login",
            headers=page | {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "X-CSRF-Token"},
        )
        assert preflight.status_code == 200
        assert "X-Request-ID" in preflight.headers


async def test_what_goes_wrong_inside_is_logged_with_the_request_id_and_not_told(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async with client_of(app_for_tests(monkeypatch)) as http:
        answer = await http.get("/test/broken", headers={"X-Request-ID": "find-me"})
    assert answer.status_code == 500
    assert answer.json()["error"]["code"] == "PROCESSING_ERROR"
    assert "secret" not in answer.text
    logged = next(record for record in caplog.records if "find-me" in record.getMessage() and record.exc_info)
    assert "the secret of the inside" in logged.getMessage()


async def test_who_still_waits_when_the_server_ends_is_told_to_come_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ingest_api.__main__.SHUTDOWN_SECONDS", 1)
    app = app_for_tests(monkeypatch)
    async with httpx.AsyncClient(timeout=30) as http:
        async with served(app, settings_with()) as (host, port):
            waiting = asyncio.create_task(http.get(f"http://{host}:{port}/test/endless"))
            await asyncio.sleep(0.2)
        answer = await waiting
    assert answer.status_code == 503
    assert answer.json()["error"]["code"] == "RESOURCE_ERROR"
    assert answer.headers["Retry-After"] == "1"


async def test_an_answer_that_breaks_off_is_cut_not_completed(port: int) -> None:
    async with connected(port) as (reader, writer):
        writer.write(b"GET /test/half HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        raw = await asyncio.wait_for(reader.read(), 20)
    assert b"half" in raw
    assert not raw.endswith(b"0\r\n\r\n")


async def test_a_body_at_the_limit_passes_and_one_byte_more_does_not(port: int) -> None:
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as http:
        fits = await http.post("/test/size", content=b"x" * LIMIT)
        assert fits.json() == {"size": LIMIT}
        large = await http.post("/test/size", content=b"x" * (LIMIT + 1))
        assert large.status_code == 413
        assert large.json()["error"]["code"] == "VALIDATION_ERROR"
        assert large.headers["Connection"] == "close"


async def test_a_large_body_is_refused_before_any_of_it_is_sent(port: int) -> None:
    async with connected(port) as (reader, writer):
        writer.write(b"POST /test/size HTTP/1.1\r\nHost: x\r\nContent-Length: 80000000\r\n\r\n")
        status, headers, body = await answer_from(reader)
    assert status == 413
    assert headers["connection"] == "close"
    assert json.loads(body)["success"] is False


async def test_a_client_that_sends_all_before_it_reads_still_gets_its_413(port: int) -> None:
    async with connected(port) as (reader, writer):
        writer.write(b"POST /test/size HTTP/1.1\r\nHost: x\r\nContent-Length: 30000000\r\n\r\n")
        for _ in range(300):
            writer.write(b"x" * 100_000)
            await asyncio.wait_for(writer.drain(), 20)
        assert (await answer_from(reader))[0] == 413


async def test_a_chunked_body_is_cut_at_the_limit(port: int) -> None:
    async with connected(port) as (reader, writer):
        writer.write(b"POST /test/size HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
        for _ in range(11):
            writer.write(b"%x\r\n" % 10_000 + b"x" * 10_000 + b"\r\n")
        status, headers, _ = await answer_from(reader)
        assert (status, headers["connection"]) == (413, "close")
        assert await asyncio.wait_for(reader.read(), 20) == b""  # and it does not wait for an end that never comes


async def test_a_chunked_body_nobody_reads_does_not_go_on_for_ever(port: int) -> None:
    async with connected(port) as (reader, writer):
        writer.write(b"POST /test/unread HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n")
        assert (await answer_from(reader))[0] == 200
        assert await asyncio.wait_for(reader.read(), 20) == b""


async def test_an_early_answer_to_a_body_of_known_size_keeps_the_connection(port: int) -> None:
    async with connected(port) as (reader, writer):
        for _ in range(2):
            writer.write(b"POST /test/unread HTTP/1.1\r\nHost: x\r\nContent-Length: 50000\r\n\r\n" + b"x" * 50_000)
            assert (await answer_from(reader))[0] == 200


async def test_bodies_together_hold_no_more_memory_than_is_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    app = app_for_tests(monkeypatch, body_memory=LIMIT)
    async with (
        served(app, app.state.wiring.settings) as (host, port),
        connected(port) as (reader, writer),
        httpx.AsyncClient(base_url=f"http://{host}:{port}") as http,
    ):
        writer.write(b"POST /test/size HTTP/1.1\r\nHost: x\r\nContent-Length: 60000\r\n\r\n" + b"x" * 50_000)
        refused = await once(http, "/test/size", 503, b"x" * 60_000)
        assert refused.json()["error"]["code"] == "RESOURCE_ERROR"
        assert (await http.post("/test/size", content=b"x" * 40_000)).json() == {"size": 40_000}
        writer.write(b"x" * 10_000)
        assert (await answer_from(reader))[0] == 200
        assert (await http.post("/test/size", content=b"x" * LIMIT)).json() == {"size": LIMIT}


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "x" * 1000])
async def test_a_compressed_body_is_refused_without_being_unpacked(port: int, encoding: str) -> None:
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as http:
        bomb = gzip.compress(bytes(1 << 26))
        answer = await http.post("/test/size", content=bomb, headers={"Content-Encoding": encoding})
        assert (answer.status_code, answer.headers["Accept-Encoding"]) == (415, "identity")
        assert encoding[:40] in answer.json()["detail"]
        assert len(answer.content) < 600
        plain = await http.post("/test/size", content=b"x", headers={"Content-Encoding": "Identity"})
        assert plain.json() == {"size": 1}


async def test_a_body_that_dribbles_is_given_up(port: int) -> None:
    async with connected(port) as (reader, writer):
        writer.write(b"POST /test/size HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nab")
        status, _, body = await answer_from(reader)
        assert status == 408
        assert "within 1 s" in json.loads(body)["detail"]
        assert await asyncio.wait_for(reader.read(), 20) == b""


async def test_a_client_that_hangs_up_in_the_middle_of_its_body_harms_nobody(
    port: int, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(5):
        async with connected(port) as (_, writer):
            writer.write(b"POST /test/size HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nab")
            await writer.drain()
            writer.write_eof()
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as http:
        assert (await http.get("/openapi.json")).status_code == 200
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]


async def test_each_request_is_one_line_without_its_query(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "thalweg.access"):
        async with client_of(app_with()) as http:
            await http.get("/live%0Aforged?token=secret", headers={"X-Request-ID": "one"})
    lines = [record.getMessage() for record in caplog.records if record.name == "thalweg.access"]
    assert len(lines) == 1
    assert lines[0].startswith("GET /live\\nforged 404 ")
    assert lines[0].endswith(" - one")
    assert "secret" not in lines[0]


async def test_more_at_once_than_the_server_takes_are_told_to_come_back(monkeypatch: pytest.MonkeyPatch) -> None:
    app = app_for_tests(monkeypatch, max_connections=2)
    async with served(app, app.state.wiring.settings) as (host, port):
        url = f"{host}:{port}"
        async with connected(port) as (_, one), connected(port) as (_, two), httpx.AsyncClient() as http:
            for writer in (one, two):
                writer.write(b"POST /test/size HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n")
            refused = await once(http, f"http://{url}/openapi.json", 503)
            assert refused.json()["error"]["code"] == "RESOURCE_ERROR"
            assert int(refused.headers["Retry-After"]) >= 1
            with pytest.raises(websockets.exceptions.InvalidStatus) as socket:
                await websockets.connect(f"ws://{url}/ws/stream")
            assert socket.value.response.status_code == 503
            one.close()
            await once(http, f"http://{url}/openapi.json", 200)
