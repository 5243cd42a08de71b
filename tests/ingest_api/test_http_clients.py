"""Requests as the clients of other languages, old clients and odd ones write them, byte for byte, over real sockets."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from fastapi import APIRouter, Depends
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from ingest_api.auth import public
from ingest_api.domain import Domain
from ingest_api.domains import DOMAINS
from ingest_api.json import Json
from tests.doubles.door import app_with, served
from tests.ingest_api.test_protocol import everything

BODY = b'{"points": [[1.0, 2.0], [1.5, 2.5]]}'
LONG = b"[" + b"1.25," * 40_000 + b"1]"
CLOSE = b"GET /live HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
router = APIRouter()


@router.post("/test/echo", dependencies=[Depends(public(limited=False))])
async def echo(request: Request) -> Response:
    names = sorted(request.headers.keys())
    return Json({"body": (await request.body()).decode(), "headers": names, "host": request.url.netloc})


@router.get("/test/endless", dependencies=[Depends(public(limited=False))])
async def endless() -> Response:
    async def parts() -> AsyncIterator[bytes]:
        for number in range(3):
            yield b"part %d\n" % number

    return StreamingResponse(parts(), media_type="text/plain")


@pytest.fixture
async def port(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[int]:
    monkeypatch.setattr("ingest_api.app.DOMAINS", (*DOMAINS, Domain("test", router)))
    app = app_with()
    async with served(app, app.state.wiring.settings) as (_, number):
        yield number


def head(*lines: str) -> bytes:
    return "\r\n".join((*lines, "", "")).encode()


CLIENTS = {
    # java.net.http.HttpClient, Java 21, HTTP_2 preferred as by default: it offers h2c on cleartext
    "java": head(
        "POST /test/echo HTTP/1.1",
        "Connection: Upgrade, HTTP2-Settings",
        "Content-Length: {length}",
        "Host: 127.0.0.1:8000",
        "HTTP2-Settings: AAEAAEAAAAIAAAABAAMAAABkAAQBAAAAAAUAAEAA",
        "Upgrade: h2c",
        "User-Agent: Java-http-client/21.0.5",
        "Content-Type: application/json",
    ),
    "curl --http2": head(
        "POST /test/echo HTTP/1.1",
        "Host: 127.0.0.1:8000",
        "User-Agent: curl/8.14.1",
        "Accept: */*",
        "Connection: Upgrade, HTTP2-Settings",
        "Upgrade: h2c",
        "HTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA",
        "Content-Type: application/json",
        "Content-Length: {length}",
    ),
    "curl": head(
        "POST /test/echo HTTP/1.1",
        "Host: 127.0.0.1:8000",
        "User-Agent: curl/8.14.1",
        "Accept: */*",
        "Content-Type: application/x-www-form-urlencoded",
        "Content-Length: {length}",
    ),
    "go": head(
        "POST /test/echo HTTP/1.1",
        "Host: 127.0.0.1:8000",
        "User-Agent: Go-http-client/1.1",
        "Content-Length: {length}",
        "Content-Type: application/json",
        "Accept-Encoding: gzip",
    ),
    ".net": head(
        "POST /test/echo HTTP/1.1",
        "Host: 127.0.0.1:8000",
        "Expect: 100-continue",
        "Request-Id: |7f3a-1.1.",
        "traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00",
        "Content-Type: application/json; charset=utf-8",
        "Content-Length: {length}",
    ),
    "node": head(
        "POST /test/echo HTTP/1.1",
        "host: 127.0.0.1:8000",
        "connection: keep-alive",
        "content-type: application/json",
        "accept: */*",
        "accept-language: *",
        "sec-fetch-mode: cors",
        "user-agent: node",
        "accept-encoding: gzip, deflate",
        "content-length: {length}",
    ),
    "apache (offers TLS)": head(
        "POST /test/echo HTTP/1.1",
        "Host: 127.0.0.1:8000",
        "Connection: Upgrade",
        "Upgrade: TLS/1.2, HTTP/1.1",
        "Content-Length: {length}",
    ),
    "a websocket that is no GET": head(
        "POST /test/echo HTTP/1.1",
        "Host: 127.0.0.1:8000",
        "Connection: Upgrade",
        "Upgrade: websocket",
        "Content-Length: {length}",
    ),
}


def answers(raw: bytes) -> list[tuple[int, bytes, bytes]]:
    """(status, head, body) of each answer with a length; interim ones left out."""
    found = []
    while raw:
        top, _, raw = raw.partition(b"\r\n\r\n")
        status = int(top.split(b" ", 2)[1])
        if status == 100:
            continue
        lengths = [line[15:] for line in top.lower().split(b"\r\n") if line.startswith(b"content-length:")]
        length = int(lengths[0]) if lengths else len(raw)
        found.append((status, top, raw[:length]))
        raw = raw[length:]
    return found


def echoed(raw: bytes) -> dict[str, Any]:
    (status, _, body), (after, _, _) = answers(raw)
    assert (status, after) == (200, 200)
    told: dict[str, Any] = json.loads(body)
    return told


def sized(raw: bytes, body: bytes) -> bytes:
    return raw.replace(b"{length}", b"%d" % len(body)) + body


def chunked(raw: bytes, body: bytes) -> bytes:
    half = len(body) // 2
    parts = [part for part in (body[:half], body[half:]) if part] + [b""]
    chunks = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in parts)
    return (
        raw.replace(b"Content-Length: {length}", b"Transfer-Encoding: chunked").replace(
            b"content-length: {length}", b"transfer-encoding: chunked"
        )
        + chunks
    )


@pytest.mark.parametrize("client", CLIENTS)
async def test_every_clients_body_is_read_and_so_is_the_request_behind_it(client: str, port: int) -> None:
    for body in (b"", BODY, LONG):
        for framed in (sized, chunked):
            told = echoed(await everything(port, framed(CLIENTS[client], body) + CLOSE))
            assert told["body"] == body.decode()
            assert "upgrade" not in told["headers"]


@pytest.mark.parametrize("client", ["java", "curl --http2"])
async def test_an_offer_is_ignored_wherever_the_packets_are_cut(client: str, port: int) -> None:
    raw = sized(CLIENTS[client], BODY)
    at = raw.index(b"\r\n\r\n")
    for cut in (at - 30, at, at + 2, at + 4, at + 10):
        assert echoed(await everything(port, raw[:cut], raw[cut:] + CLOSE))["body"] == BODY.decode()


async def test_offers_that_follow_one_another_are_all_ignored(port: int) -> None:
    one = sized(CLIENTS["java"], BODY)
    told = answers(await everything(port, one * 3 + CLOSE))
    assert [json.loads(body)["body"] for _, _, body in told[:3]] == [BODY.decode()] * 3


async def test_an_offer_does_not_hide_two_lengths(port: int) -> None:
    raw = sized(CLIENTS["java"], BODY).replace(b"Upgrade: h2c", b"Upgrade: h2c\r\nTransfer-Encoding: chunked")
    assert (await everything(port, raw)).startswith(b"HTTP/1.1 400 ")


async def test_nobody_is_connected_through(port: int) -> None:
    raw = head("CONNECT example.com:443 HTTP/1.1", "Host: example.com:443")
    assert (await everything(port, raw)).startswith(b"HTTP/1.1 400 ")


async def test_a_websocket_of_http_1_0_is_a_plain_request(port: int) -> None:
    raw = head("GET /ws/events HTTP/1.0", "Host: x", "Connection: Upgrade", "Upgrade: websocket")
    assert (await everything(port, raw)).startswith(b"HTTP/1.1 404 ")


async def test_http_1_0_gets_no_chunks_and_the_end_of_the_connection(port: int) -> None:
    told = await everything(port, b"GET /test/endless HTTP/1.0\r\n\r\n")
    top, _, body = told.partition(b"\r\n\r\n")
    assert b"transfer-encoding" not in top.lower()
    assert b"connection: close" in top.lower()
    assert body == b"part 0\npart 1\npart 2\n"


async def test_http_1_1_gets_chunks(port: int) -> None:
    told = await everything(port, b"GET /test/endless HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    assert b"transfer-encoding: chunked" in told.lower()
    assert told.endswith(b"0\r\n\r\n")


async def test_http_1_0_gets_a_known_length_and_no_interim_answer(port: int) -> None:
    raw = sized(CLIENTS[".net"], BODY).replace(b"HTTP/1.1", b"HTTP/1.0")
    told = await everything(port, raw)
    assert b"100 Continue" not in told
    ((status, _, body),) = answers(told)
    assert status == 200
    assert json.loads(body)["body"] == BODY.decode()


@pytest.mark.parametrize(
    ("lines", "status"),
    [
        (("GET /live HTTP/1.0",), 200),
        (("GET /live HTTP/1.0", "Host: x"), 200),
        (("GET /live HTTP/1.0", "Host: x", "Host: x"), 400),
        (("GET /live HTTP/1.1",), 400),
        (("GET /live HTTP/1.1", "Host:"), 200),
        (("GET /live HTTP/1.1", "Host: [::1]:8000"), 200),
        (("GET /live HTTP/1.1", "Host: a", "Host: a"), 400),
        (("GET /live HTTP/1.1", "Host: a, b"), 400),
        (("GET /live HTTP/1.1", "Host: a/b"), 400),
        (("GET /live HTTP/1.1", "Host: [::1"), 400),
        (("GET /live HTTP/1.1", "Host: user@x"), 400),
        (("GET http://x:8000/live HTTP/1.1", "Host: y"), 200),
        (("GET http://x:8000/live HTTP/1.1",), 400),
    ],
)
async def test_a_request_of_http_1_1_has_one_host(lines: tuple[str, ...], status: int, port: int) -> None:
    told = await everything(port, head(*lines, "Connection: close"))
    assert told.startswith(b"HTTP/1.1 %d " % status)
    if status == 400:
        assert b"VALIDATION_ERROR" in told


async def test_the_host_in_the_request_line_is_the_one_that_counts(port: int) -> None:
    raw = sized(CLIENTS["curl"], BODY).replace(b"POST /", b"POST http://thalweg.test:81/")
    assert echoed(await everything(port, raw + CLOSE))["host"] == "thalweg.test:81"


async def test_a_websocket_has_one_host_too(port: int) -> None:
    offer = (
        "Connection: Upgrade",
        "Upgrade: websocket",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
    )
    told = await everything(port, head("GET /ws/events HTTP/1.1", "Host: x", "Host: x", *offer))
    assert told.startswith(b"HTTP/1.1 400 ")
