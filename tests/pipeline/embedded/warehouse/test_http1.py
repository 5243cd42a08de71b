"""The warehouse's HTTP as old clients and odd ones speak it, byte for byte."""

from __future__ import annotations

import base64
import socket
from urllib.parse import quote, urlsplit

import pytest

from tests.pipeline.embedded.warehouse.running import OWNER, Warehouse


def told(warehouse: Warehouse, raw: bytes) -> bytes:
    """All that comes back until the server closes the connection."""
    url = urlsplit(warehouse.url)
    with socket.create_connection((url.hostname, url.port or 0), timeout=60) as client:
        client.sendall(raw)
        read = b""
        while part := client.recv(65536):
            read += part
        return read


def head(line: str, *more: str) -> bytes:
    basic = base64.b64encode(":".join(OWNER).encode()).decode()
    return "\r\n".join((line, f"Authorization: Basic {basic}", "Connection: close", *more, "", "")).encode()


def test_http_1_0_gets_a_long_result_without_chunks(warehouse: Warehouse) -> None:
    query = quote("SELECT number FROM numbers(300000) FORMAT TSV")
    top, _, body = told(warehouse, head(f"GET /?query={query} HTTP/1.0")).partition(b"\r\n\r\n")
    assert b"transfer-encoding" not in top.lower()
    assert body == b"".join(b"%d\n" % number for number in range(300_000))


def test_an_offer_of_http_2_does_not_lose_the_statement(warehouse: Warehouse) -> None:
    sql = b"SELECT 'as sent'"
    offer = ("Host: x", "Connection: Upgrade, HTTP2-Settings, close", "Upgrade: h2c", f"Content-Length: {len(sql)}")
    assert told(warehouse, head("POST / HTTP/1.1", *offer) + sql).endswith(b"as sent\n")


@pytest.mark.parametrize(("hosts", "status"), [((), 400), (("x",), 200), (("x", "x"), 400), (("a/b",), 400)])
def test_a_request_of_http_1_1_has_one_host(hosts: tuple[str, ...], status: int, warehouse: Warehouse) -> None:
    raw = head("GET /ping HTTP/1.1", *(f"Host: {host}" for host in hosts))
    assert told(warehouse, raw).startswith(b"HTTP/1.1 %d " % status)
