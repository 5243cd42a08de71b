"""Bytes, floods and dawdlers on the API's sockets: it answers or hangs up, holds bounded memory, and serves others."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import re
from collections.abc import AsyncIterator, Sequence
from urllib.parse import urlsplit

import httpx
import psutil
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.budget import PATIENCE, examples
from tests.flow.stack import Stack
from tests.inside import INSIDE

pytestmark = [pytest.mark.flow, pytest.mark.timeout(PATIENCE)]

MIB = 1024 * 1024
GROWTH = 256 * MIB + 192 * MIB
"""Of resident memory: what bodies may hold (THALWEG_BODY_MEMORY), and what is read of them at a time."""
QUIET = settings(max_examples=examples(25), suppress_health_check=list(HealthCheck))
Pair = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@contextlib.asynccontextmanager
async def connected(stack: Stack, count: int = 1) -> AsyncIterator[list[Pair]]:
    address = urlsplit(stack.api.url)
    opened = [asyncio.open_connection(address.hostname, address.port, limit=MIB) for _ in range(count)]
    pairs = await asyncio.gather(*opened)
    try:
        yield pairs
    finally:
        for _, writer in pairs:
            writer.transport.abort()
        await asyncio.gather(*(writer.wait_closed() for _, writer in pairs), return_exceptions=True)


async def rest(reader: asyncio.StreamReader) -> bytes:
    """All that comes until the other side hangs up, as it must."""
    parts = []
    with contextlib.suppress(ConnectionError):
        while part := await asyncio.wait_for(reader.read(MIB), 60):
            parts.append(part)
    return b"".join(parts)


async def told(pair: Pair, sent: bytes) -> bytes:
    """Says something, says that it is all, and hears the answer."""
    reader, writer = pair
    writer.write(sent)
    with contextlib.suppress(ConnectionError, OSError):
        await writer.drain()
        writer.write_eof()
    return await rest(reader)


async def is_served(stack: Stack) -> None:
    async with stack.client() as http:
        assert (await http.get("/live")).status_code == 200
        answer = await http.post("/api/v1/process_points?wait=false", json={"points": [[1.0, 2.0]], "stream": "served"})
        assert answer.status_code == 202, answer.text


class Watched:
    """The greatest resident memory of the API while it lasts, while others are served."""

    def __init__(self, stack: Stack) -> None:
        self._stack, self._process = stack, psutil.Process(stack.api.process.pid)
        self._before = self._greatest = self._process.memory_info().rss

    async def __aenter__(self) -> None:
        self._looking = asyncio.create_task(self._look())

    async def __aexit__(self, *_: object) -> None:
        self._looking.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._looking
        assert self._greatest - self._before < GROWTH

    async def _look(self) -> None:
        while True:
            await is_served(self._stack)
            self._greatest = max(self._greatest, self._process.memory_info().rss)
            await asyncio.sleep(0.02)


METHODS = st.sampled_from([*b"GET GET GET POST POST PUT DELETE HEAD OPTIONS TRACE PRI get".split(), b"\xff"])
_PATHS = (
    b"/live /api/v1/process_points /auth/login /auth/me /subjects/x /ws/stream /ws/events * // /%00 /%ff%fe /..%2f.. "
    b"http://x/live /api/v1/streams/%2e live"
)
PATHS = st.sampled_from([*_PATHS.split(), b"", b"/" + b"a" * 9000])
_NAMES = (
    b"Host Content-Length Transfer-Encoding Content-Type Content-Encoding Connection Upgrade Expect Authorization "
    b"X-API-Key X-Request-ID Idempotency-Key Prefer Origin Cookie Sec-WebSocket-Key Sec-WebSocket-Version Forwarded "
    b"X-Forwarded-For Range"
)
NAMES = st.sampled_from([*_NAMES.split(), b"", b"\xff", b"a b"])
_VALUES = (
    b"x 0 2 -1 +2 1,2 chunked gzip,chunked identity close Upgrade keep-alive,Upgrade websocket h2c 13 100-continue "
    b"application/json [::1"
)
VALUES = st.binary(max_size=12) | st.sampled_from([*_VALUES.split(), b"9" * 30, b"a" * 5000])
BODIES = st.binary(max_size=40) | st.sampled_from(
    [
        b"{}",
        b"2\r\n{}\r\n0\r\n\r\n",
        b"fffffffffffffffff\r\n",
        b"2;x=y\r\n{}\r\n0\r\nTrailer: x\r\n\r\n",
        b"0\r\n\r\n" * 50,
    ]
)
REQUESTS = st.builds(
    lambda method, path, version, headers, body: (
        method + b" " + path + b" " + version + b"\r\n"
        + b"".join(name + b": " + value + b"\r\n" for name, value in headers) + b"\r\n" + body
    ),
    METHODS, PATHS, st.sampled_from([b"HTTP/1.1"] * 5 + [b"HTTP/1.0", b"HTTP/2.0", b"HTTP/9.9", b"", b"ICY"]),
    st.lists(st.tuples(NAMES, VALUES), max_size=6), BODIES,
)  # fmt: skip


@QUIET
@given(
    conversations=st.lists(st.lists(REQUESTS | st.binary(max_size=60), min_size=1, max_size=4), min_size=1, max_size=12)
)
def test_any_bytes_are_answered_or_hung_up_on(stack: Stack, conversations: Sequence[Sequence[bytes]]) -> None:
    asyncio.run(_conversed(stack, [b"".join(requests) for requests in conversations]))


async def _conversed(stack: Stack, sent: Sequence[bytes]) -> None:
    async with connected(stack, len(sent)) as pairs:
        for said, answer in zip(sent, await asyncio.gather(*map(told, pairs, sent)), strict=True):
            statuses = re.findall(rb"HTTP/1\.1 (\d{3}) ", answer)
            assert not [status for status in statuses if status >= b"500"], (said, answer)
            assert INSIDE.search(answer.decode("latin-1")) is None, (said, answer)
    await is_served(stack)


HEADS = st.sampled_from([0x80 | opcode for opcode in range(16)] + [*range(16)] + [0xC1, 0xF1, 0x71])
LENGTHS = st.sampled_from([b"\x00", b"\x05", b"\x7d", b"\x7e\xff\xff", b"\x7e\x00\x01", b"\x7f" + b"\xff" * 8])
FRAMES = st.builds(
    lambda head, masked, length, mask, payload: (
        bytes([head]) + bytes([length[0] | (0x80 if masked else 0)]) + length[1:] + (mask if masked else b"") + payload
    ),
    HEADS, st.sampled_from([True, True, True, False]), LENGTHS, st.binary(min_size=4, max_size=4),
    st.binary(max_size=10),
)  # fmt: skip


def frame(opcode: int, payload: bytes, final: bool = True) -> bytes:
    """As a client sends it, under a mask of zeros."""
    size = len(payload)
    if size < 126:
        length = bytes([0x80 | size])
    else:
        length = b"\xfe" + size.to_bytes(2, "big") if size < 1 << 16 else b"\xff" + size.to_bytes(8, "big")
    return bytes([(0x80 if final else 0) | opcode]) + length + bytes(4) + payload


def handshake(stack: Stack, path: str) -> bytes:
    key = base64.b64encode(bytes(16)).decode()
    return (
        f"GET {path} HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        f"Sec-WebSocket-Key: {key}\r\nX-API-Key: {stack.keys['writer']}\r\n\r\n"
    ).encode()


async def greeted(stack: Stack, pair: Pair, path: str) -> None:
    pair[1].write(handshake(stack, path))
    head = await asyncio.wait_for(pair[0].readuntil(b"\r\n\r\n"), 60)
    assert head.startswith(b"HTTP/1.1 101 ")


def closed_with(answer: bytes) -> int | None:
    """The status of the close frame, where there is one: frame by frame (RFC 6455, 5.2), for a length or a text may
    hold the bytes of one. The server masks nothing."""
    place = 0
    while place + 2 <= len(answer):
        kind, size, place = answer[place] & 0x0F, answer[place + 1] & 0x7F, place + 2
        wide = {126: 2, 127: 8}.get(size, 0)
        if wide:
            size, place = int.from_bytes(answer[place : place + wide], "big"), place + wide
        if kind == 8:
            return int.from_bytes(answer[place : place + 2], "big") if size >= 2 else None
        place += size
    return None


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (b"", None),
        (b"\x88\x02\x03\xe8", 1000),
        (b"\x88\x00", None),
        (b"\x81~\x01\x88" + b'{"a":' + b"x" * 387 + b"\x88\x02\x03\xea", 1002),
        (b"\x81~\x01\x88" + b'{"a":' + b"x" * 100, None),
        (b"\x81\x04\x88\x02\x03\xe8\x89\x01x\x88\x05\x03\xf1no!", 1009),
    ],
)
def test_a_close_frame_is_told_from_what_looks_like_one(answer: bytes, code: int | None) -> None:
    assert closed_with(answer) == code


@QUIET
@given(sent=st.lists(st.lists(FRAMES | st.binary(max_size=20), max_size=6).map(b"".join), min_size=1, max_size=8))
def test_any_frames_are_answered_or_hung_up_on(stack: Stack, sent: Sequence[bytes]) -> None:
    asyncio.run(_framed(stack, sent))


async def _framed(stack: Stack, sent: Sequence[bytes]) -> None:
    async with connected(stack, len(sent)) as pairs:
        for number, pair in enumerate(pairs):
            await greeted(stack, pair, ("/ws/stream", "/ws/events")[number % 2])
        for said, answer in zip(sent, await asyncio.gather(*map(told, pairs, sent)), strict=True):
            assert closed_with(answer) in (None, 1000, 1002, 1003, 1005, 1007, 1009), (said, answer)
            assert INSIDE.search(answer.decode("latin-1")) is None, (said, answer)
    await is_served(stack)


FORBIDDEN: dict[str, tuple[bytes, int]] = {
    "too large": (frame(1, b"x" * (MIB + 1)), 1009),
    "too large in parts": (
        frame(1, b"x" * 60_000, final=False) + frame(0, b"x" * 60_000, final=False) * 20,
        1009,
    ),
    "larger than memory": (b"\x81\xff" + (1 << 40).to_bytes(8, "big") + bytes(4), 1009),
    "no UTF-8": (frame(1, b"\xff\xfe"), 1007),
    "a surrogate": (frame(1, b"\xed\xa0\x80"), 1007),
    "not masked": (b"\x81\x02{}", 1002),
    "of no kind": (frame(3, b""), 1002),
    "a part of nothing": (frame(0, b""), 1002),
    "a ping too large": (frame(9, b"x" * 126), 1002),
    "begun within another": (frame(1, b"{", final=False) + frame(1, b"}"), 1002),
    "compressed": (b"\xc1\x80" + bytes(4), 1002),
    "half a code": (frame(8, b"\0"), 1002),
}


@pytest.mark.parametrize("name", FORBIDDEN)
async def test_a_frame_that_may_not_be_is_told_and_the_socket_is_closed(stack: Stack, name: str) -> None:
    sent, code = FORBIDDEN[name]
    async with connected(stack) as [pair]:
        await greeted(stack, pair, "/ws/stream")
        pair[1].write(sent)
        # Who still sends while the socket is closed may lose the farewell to a reset (RFC 9293, 3.6.1).
        assert closed_with(await rest(pair[0])) in (code, None if len(sent) > MIB else code)


async def test_eighty_megabytes_from_many_hold_bounded_memory(stack: Stack) -> None:
    credential = f"X-API-Key: {stack.keys['writer']}\r\n".encode()
    head = b"POST /api/v1/process_points HTTP/1.1\r\nHost: x\r\nConnection: close\r\n" + credential

    async def pour(pair: Pair, declared: bool) -> bytes:
        reader, writer = pair
        answer = asyncio.create_task(rest(reader))
        writer.write(
            head + (b"Content-Length: 83886080\r\n\r\n" if declared else b"Transfer-Encoding: chunked\r\n\r\n")
        )
        with contextlib.suppress(ConnectionError):
            for _ in range(1280):
                writer.write(b"1" * 65536 if declared else b"10000\r\n" + b"1" * 65536 + b"\r\n")
                await asyncio.wait_for(writer.drain(), 60)
                if answer.done():
                    break
        return await answer

    async with Watched(stack), connected(stack, 6) as pairs:
        answers = await asyncio.gather(*(pour(pair, number % 2 == 0) for number, pair in enumerate(pairs)))
    assert {answer[:12] for answer in answers} <= {b"HTTP/1.1 413", b"HTTP/1.1 503"}


async def test_bodies_that_stop_short_of_their_end_hold_bounded_memory(stack: Stack) -> None:
    credential = f"X-API-Key: {stack.keys['writer']}\r\n".encode()
    head = b"POST /api/v1/process_points HTTP/1.1\r\nHost: x\r\nContent-Length: 10000000\r\n" + credential + b"\r\n"
    async with Watched(stack), connected(stack, 40) as pairs:
        for _, writer in pairs:
            writer.write(head + b"1" * 9_900_000)
        refused = [asyncio.create_task(reader.readexactly(12)) for reader, _ in pairs]
        done, _ = await asyncio.wait(refused, timeout=60, return_when=asyncio.FIRST_COMPLETED)
        assert done, "all of 400 MB is held"
        assert {task.result() for task in done} == {b"HTTP/1.1 503"}
        for task in refused:
            task.cancel()
        await asyncio.gather(*refused, return_exceptions=True)


async def test_answers_that_nobody_reads_hold_bounded_memory(stack: Stack) -> None:
    async with Watched(stack), connected(stack, 40) as pairs:
        for _, writer in pairs:
            writer.write(b"GET /openapi.json HTTP/1.1\r\nHost: x\r\n\r\n" * 1000)
        await asyncio.sleep(2)


async def test_a_crowd_that_says_nothing_or_half_a_word_keeps_nobody_out(stack: Stack) -> None:
    async with Watched(stack), connected(stack, 300) as pairs, contextlib.AsyncExitStack() as sockets:
        for number, (_, writer) in enumerate(pairs):
            writer.write((b"", b"GET", b"GET /live HTTP/1.1\r\nX: ", handshake(stack, "/ws/events")[:-2])[number % 4])
        for _ in range(100):
            await sockets.enter_async_context(stack.socket("crowd"))
        async with httpx.AsyncClient(base_url=stack.api.url) as http:
            for _ in range(20):
                assert (await http.get("/live")).status_code == 200
