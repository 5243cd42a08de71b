"""The bounds on a request's head, over real sockets."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from fastapi import APIRouter, Depends
from starlette.responses import Response

from ingest_api import protocol
from ingest_api.auth import public
from ingest_api.domain import Domain
from ingest_api.domains import DOMAINS
from tests.doubles.door import app_with, served

LARGE = 16 * 1024 * 1024
ASK = b"GET /test/large HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
router = APIRouter()


@router.get("/test/large", dependencies=[Depends(public(limited=False))])
async def large() -> Response:
    return Response(bytes(LARGE))


@pytest.fixture
async def port(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[int]:
    monkeypatch.setattr(protocol, "HEAD_SECONDS", 0.5)
    monkeypatch.setattr(protocol, "UNREAD_SECONDS", 0.5)
    monkeypatch.setattr("ingest_api.app.DOMAINS", (*DOMAINS, Domain("test", router)))
    app = app_with()
    async with served(app, app.state.wiring.settings) as (_, number):
        yield number


async def everything(port: int, *parts: bytes) -> bytes:
    """All that comes back until the server closes the connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        for part in parts:
            writer.write(part)
            await writer.drain()
        return await asyncio.wait_for(reader.read(), 20)
    finally:
        writer.close()


async def test_headers_without_end_are_refused(port: int) -> None:
    line = b"X-Filler: " + b"y" * 1000 + b"\r\n"
    answer = await everything(port, b"GET /live HTTP/1.1\r\nHost: x\r\n", *[line] * 80)
    assert answer.startswith(b"HTTP/1.1 431 ")


async def test_one_header_without_end_is_refused(port: int) -> None:
    answer = await everything(port, b"GET /live HTTP/1.1\r\nX-Filler: ", *[b"y" * 10_000] * 8)
    assert answer.startswith(b"HTTP/1.1 431 ")


async def test_a_head_that_dribbles_is_given_up(port: int) -> None:
    assert await everything(port, b"GET /live HTTP/1.1\r\nHost: x\r\n") == b""


async def test_a_connection_that_says_nothing_is_given_up(port: int) -> None:
    assert await everything(port) == b""


async def test_stray_bytes_between_requests_do_not_keep_a_connection(port: int) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET /live HTTP/1.1\r\nHost: x\r\n\r\n")
    answer = asyncio.create_task(reader.read())
    for _ in range(50):  # each byte alone would put uvicorn's keep-alive time off
        await asyncio.sleep(0.1)
        if answer.done():
            break
        writer.write(b"\r\n")
    assert answer.done()
    assert (await answer).startswith(b"HTTP/1.1 200 ")
    writer.close()


async def test_a_second_head_is_bounded_as_the_first(port: int) -> None:
    answer = await everything(port, b"GET /live HTTP/1.1\r\nHost: x\r\n\r\nGET /live HTTP/1.1\r\nX-Filler: ")
    assert answer.count(b"HTTP/1.1 200 ") == 1


async def test_requests_that_follow_one_another_are_all_answered(port: int) -> None:
    request = b"GET /live HTTP/1.1\r\nHost: x\r\n\r\n"
    answer = await everything(port, request * 3 + b"GET /live HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    assert answer.count(b"HTTP/1.1 200 ") == 4


async def test_an_answer_that_nobody_reads_is_thrown_away(port: int) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1024)
    writer.write(ASK)
    await reader.readexactly(100)
    await asyncio.sleep(2)
    assert len(await asyncio.wait_for(reader.read(), 20)) < LARGE  # what the kernel had taken, and then the end
    writer.close()


async def test_a_slow_reader_gets_all_of_its_answer(port: int) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1024)
    writer.write(ASK)
    read = 0
    while part := await asyncio.wait_for(reader.read(1024 * 1024), 20):
        read += len(part)
        if read < LARGE // 2:
            await asyncio.sleep(0.1 * len(part) / 1024 / 1024)
    assert read > LARGE
    writer.close()


async def test_a_post_that_would_become_a_websocket_is_answered_as_a_post(port: int) -> None:
    upgrade = b"Host: x\r\nConnection: Upgrade, close\r\nUpgrade: websocket\r\nContent-Length: 0\r\n\r\n"
    assert (await everything(port, b"POST /ws/events HTTP/1.1\r\n" + upgrade)).startswith(b"HTTP/1.1 404 ")


async def test_what_is_no_http_is_refused(port: int) -> None:
    assert (await everything(port, b"\x16\x03\x01\x02\x00nonsense\r\n\r\n")).startswith(b"HTTP/1.1 400 ")
