"""Writing past ASGI: whole pieces in their order, never where they would break what is said, never without bound."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send
from websockets.asyncio.client import connect

from ingest_api.live.framing import chunk, text_frame
from ingest_api.outlet import Outlet, outlet_of
from ingest_api.protocol import BoundedHttp, OpenWebSocket

Talk = Callable[[Outlet, Receive, Send], Awaitable[None]]
HEAD: dict[str, Any] = {"type": "http.response.start", "status": 200, "headers": []}
REQUEST = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"


@asynccontextmanager
async def serving(talk: Talk) -> AsyncIterator[int]:
    """The port of a server whose one application talks over the outlet of each connection."""

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        outlet = outlet_of(scope)
        assert outlet is not None
        await talk(outlet, receive, send)

    async with running(application) as port:
        yield port


@asynccontextmanager
async def running(application: ASGIApp, *, compressing: bool = False) -> AsyncIterator[int]:
    config = uvicorn.Config(
        application,
        port=0,
        http=BoundedHttp,
        ws=OpenWebSocket,
        ws_per_message_deflate=compressing,
        ws_ping_interval=None,
        lifespan="off",
        log_config=None,
    )
    server = uvicorn.Server(config)
    task = asyncio.create_task(server.serve())
    while not server.started:
        assert not task.done(), task
        await asyncio.sleep(0.01)
    try:
        yield server.servers[0].sockets[0].getsockname()[1]
    finally:
        server.should_exit = True
        await task


async def test_pieces_and_sends_reach_a_response_in_their_order() -> None:
    told: list[bool] = []

    async def talk(outlet: Outlet, receive: Receive, send: Send) -> None:
        told.append(outlet.put(chunk(b"too early")))
        await send(HEAD)
        told.append(outlet.put(chunk(b"a") + chunk(b"b")))
        await send({"type": "http.response.body", "body": b"c", "more_body": True})
        told.append(outlet.put(chunk(b"d")))
        await send({"type": "http.response.body", "body": b"", "more_body": False})
        told.append(outlet.put(chunk(b"too late")))

    async with serving(talk) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(REQUEST)
        answer = await asyncio.wait_for(reader.readuntil(b"0\r\n\r\n"), 20)
        writer.close()
    assert answer.partition(b"\r\n\r\n")[2] == b"".join(map(chunk, (b"a", b"b", b"c", b"d"))) + b"0\r\n\r\n"
    assert told == [False, True, True, False]


async def test_a_response_of_known_length_takes_no_chunks() -> None:
    async def talk(outlet: Outlet, receive: Receive, send: Send) -> None:
        await send({**HEAD, "headers": [(b"content-length", b"2")]})
        assert not outlet.put(chunk(b"x"))
        await send({"type": "http.response.body", "body": b"ok"})

    async with serving(talk) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(REQUEST)
        assert (await asyncio.wait_for(reader.readuntil(b"ok"), 20)).endswith(b"\r\n\r\nok")
        writer.close()


async def test_frames_and_sends_reach_a_websocket_in_their_order() -> None:
    told: list[bool] = []

    async def talk(outlet: Outlet, receive: Receive, send: Send) -> None:
        await receive()
        told.append(outlet.put(text_frame(b"too early")))
        await send({"type": "websocket.accept"})
        told.append(outlet.put(text_frame(b"a") + text_frame(b"b" * 200)))
        await send({"type": "websocket.send", "text": "c"})
        told.append(outlet.put(text_frame(b"d" * 70_000)))
        await send({"type": "websocket.close", "code": 1000})
        told.append(outlet.put(text_frame(b"too late")))

    async with serving(talk) as port, connect(f"ws://127.0.0.1:{port}/") as client:
        heard = [message async for message in client]
    assert heard == ["a", "b" * 200, "c", "d" * 70_000]
    assert told == [False, True, True, False]


@pytest.mark.parametrize("kind", ["http", "websocket"])
async def test_who_takes_nothing_is_given_nothing_more_until_there_is_room(kind: str) -> None:
    full, over = asyncio.Event(), asyncio.Event()
    put = 0

    async def talk(outlet: Outlet, receive: Receive, send: Send) -> None:
        nonlocal put
        frame = text_frame if kind == "websocket" else chunk
        await send({"type": "websocket.accept"} if kind == "websocket" else HEAD)
        while outlet.put(frame(b"x" * 65_535)):
            put += 1
        full.set()
        await outlet.room()
        assert outlet.put(frame(b"the last"))
        await over.wait()

    upgrade = b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    upgrade += b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    async with serving(talk) as port:
        made = socket.socket()
        made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        made.connect(("127.0.0.1", port))
        reader, writer = await asyncio.open_connection(sock=made, limit=64 * 1024 * 1024)
        writer.write(REQUEST[:-2] + upgrade if kind == "websocket" else REQUEST)
        await asyncio.wait_for(full.wait(), 20)
        assert put * 65_535 < 64 * 1024 * 1024
        made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1024 * 1024)
        await reader.readuntil(b"\r\n\r\n")
        try:
            read = await asyncio.wait_for(reader.readuntil(b"the last"), 60)
        finally:
            over.set()
            writer.close()
        assert read.count(b"x") == put * 65_535


async def test_a_connection_that_is_lost_takes_nothing_and_keeps_nobody_waiting() -> None:
    done: asyncio.Future[bool] = asyncio.get_running_loop().create_future()

    async def talk(outlet: Outlet, receive: Receive, send: Send) -> None:
        await send(HEAD)
        while (await receive())["type"] != "http.disconnect":
            pass
        await outlet.room()
        done.set_result(outlet.put(chunk(b"x")))

    async with serving(talk) as port:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(REQUEST)
        await writer.drain()
        writer.close()
        assert not await asyncio.wait_for(done, 20)


async def test_where_messages_may_be_compressed_there_is_no_outlet() -> None:
    seen: list[Outlet | None] = []

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(outlet_of(scope))
        await send({"type": "websocket.accept"})
        await send({"type": "websocket.close"})

    async with running(application, compressing=True) as port, connect(f"ws://127.0.0.1:{port}/") as client:
        await client.wait_closed()
    assert seen == [None]
