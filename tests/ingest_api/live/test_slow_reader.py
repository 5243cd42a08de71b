"""Readers that take too slowly, or not at all: they lose by their policy, and nobody else does."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import pytest

from schemas.clustering.points import OutliersDetected
from tests.ingest_api.live.records import outliers
from tests.ingest_api.live.serving import READER, Heard, Log, Served, listening, parsed, serving, take, until

MESSAGES = 400
_WIDTH = 200


def heavy(at: int) -> OutliersDetected:
    """A record whose message is about 100 kB: some fill the buffers of both kernels."""
    light = outliers("s", at, count=100 * _WIDTH // 2)
    return OutliersDetected("s", 0, at, None, 0, _WIDTH, light.indices[:100], light.similarities[:100], light.values)


@pytest.mark.parametrize("outlets", [True, False])
async def test_a_slow_reader_is_told_what_it_lost_and_a_fast_one_loses_nothing(
    outlets: bool, kafka_bootstrap: str
) -> None:
    log = Log(kafka_bootstrap)
    async with serving(log.live(queue_messages=10, write_deadline=60), outlets=outlets) as served:
        reader, writer = await _stalled(served, "drop_oldest")
        async with listening(served, policy="drop_oldest", topics="drift") as other:
            await take(other, 1)
            await log.write("outliers", *[("s", heavy(at)) for at in range(1, MESSAGES + 1)])
            places = served.live.cursors.layout.index
            assert await served.live.feed.reached({places[log.watches[2].topic.name, 0]: MESSAGES}, 60)
        events = parsed(_lines(reader))
        told: list[int] = []
        lost = 0
        while not told or told[-1] < MESSAGES:
            (event,) = await take(events, 1)
            if event.type == "gap":
                lost += _checked_gap(event, told)
            elif event.type == "outliers_detected":
                told.append(int(event.data["position"].rsplit("-", 1)[1]))
        writer.close()
    assert lost > 0
    assert len(told) + lost == MESSAGES
    assert told == sorted(set(told))


async def test_a_reader_that_is_to_be_disconnected_is(kafka_bootstrap: str) -> None:
    log = Log(kafka_bootstrap)
    async with serving(log.live(queue_messages=10, write_deadline=60)) as served:
        reader, writer = await _stalled(served, "disconnect")
        await log.write("outliers", *[("s", heavy(at)) for at in range(1, MESSAGES + 1)])
        events = parsed(_lines(reader))
        (bye,) = await take(events, 1, of="bye")
        assert bye.data["reason"] == "slow_reader"
        assert bye.retry == bye.data["retry_ms"]
        assert len(served.live.hub) == 0
        writer.close()


@pytest.mark.parametrize("path", ["/api/v1/events", "/ws/events"])
async def test_a_reader_that_takes_nothing_is_cut(path: str, kafka_bootstrap: str) -> None:
    log = Log(kafka_bootstrap)
    async with serving(log.live(write_deadline=0.3), linger=0.5) as served, log.writer() as write:
        with _small_socket(served.port) as stalled:
            stalled.sendall(_request(path, "drop_oldest").encode())
            await until(lambda: len(served.live.hub) == 1)
            at = 0
            while len(served.live.hub) and at < 2000:
                await write("outliers", *[("s", heavy(at + each)) for each in range(20)])
                at += 20
            assert len(served.live.hub) == 0
            await until(lambda: not served.server.server_state.connections)


def _checked_gap(event: Heard, told: list[int]) -> int:
    """What the gap says was lost begins right behind what was told last."""
    (lost,) = event.data["ranges"]
    assert event.data["reason"] == "slow_reader"
    assert lost["from"] == (told[-1] if told else 0)  # inputs are counted from 1, offsets from 0
    assert lost["missing"] == lost["to"] - lost["from"]
    return int(lost["missing"])


async def _stalled(served: Served, policy: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """An event stream whose greeting has come, and of which nothing more is read for now."""
    reader, writer = await asyncio.open_connection(sock=_small_socket(served.port), limit=1024 * 1024)
    writer.write(_request("/api/v1/events", policy).encode())
    await reader.readuntil(b"event: connected")
    await reader.readuntil(b"\n\n")
    return reader, writer


def _request(path: str, policy: str) -> str:
    lines = [f"GET {path}?policy={policy} HTTP/1.1", "Host: test", f"X-API-Key: {READER}"]
    if path.startswith("/ws"):
        key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="
        lines += ["Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13", key]
    return "\r\n".join([*lines, "", ""])


def _small_socket(port: int) -> socket.socket:
    made = socket.socket()
    made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    made.connect(("127.0.0.1", port))
    made.setblocking(False)
    return made


async def _lines(reader: asyncio.StreamReader) -> Any:
    """The lines of the chunks of a response that has begun (RFC 9112, 7.1)."""
    rest = ""
    await reader.readuntil(b"\r\n")
    while size := int(await reader.readuntil(b"\r\n"), 16):
        rest += (await reader.readexactly(size)).decode()
        await reader.readexactly(2)
        *lines, rest = rest.split("\n")
        for line in lines:
            yield line
