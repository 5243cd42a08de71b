"""HTTP/1 over uvicorn, with what it leaves out of RFC 9110 and RFC 9112: bodies behind an offer to upgrade, answers
that HTTP/1.0 can read, and the one host that a request is for."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

import httptools
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

_HOST = re.compile(rb"(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._~!$&'()*+,;=%-]*)(?::[0-9]*)?")


def fault_of_host(headers: Iterable[tuple[bytes, bytes]], version: str) -> str | None:
    """What is wrong with `Host` (RFC 9112, 3.2): HTTP/1.1 has one, HTTP/1.0 at most one, and it names a host."""
    hosts = [value for name, value in headers if name == b"host"]
    if len(hosts) != 1 and (hosts or version != "1.0"):
        return "A request has one Host header"
    return None if not hosts or _HOST.fullmatch(hosts[0]) else "The Host header names no host"


class OneHost:
    """Answers 400, in plain text, what `fault_of_host` finds fault with."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        told = fault_of_host(scope["headers"], scope["http_version"]) if scope["type"] == "http" else None
        answer = self._app if told is None else PlainTextResponse(f"{told}\n", 400, {"Connection": "close"})
        await answer(scope, receive, send)


class Http1(HttpToolsProtocol):
    """Takes the offer of a WebSocket alone. Any other `Upgrade` is ignored and the request read to its end (RFC 9110,
    7.8): Java's HttpClient and curl offer h2c with every request, its body behind it, where the parser would stop at
    the head. So is a WebSocket's that is no GET, or is of HTTP/1.0."""

    def data_received(self, data: bytes) -> None:
        self._parse(data)

    def on_headers_complete(self) -> None:
        if self._passes_over():
            return
        if self.parser.get_http_version() == "1.0":
            self.expect_100_continue = False  # RFC 9110, 10.1.1
        self._name_host()
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        if not self.parser.should_upgrade():
            super().on_message_complete()

    def _passes_over(self) -> bool:
        """Whether this head is to be read again without its offer."""
        return bool(self.parser.should_upgrade() and not self._should_upgrade())

    def _parse(self, data: bytes) -> None:
        self._unset_keepalive_if_required()
        while True:
            try:
                self.parser.feed_data(data)
            except httptools.HttpParserUpgrade as offer:
                if self._should_upgrade():
                    self.handle_websocket_upgrade()
                elif self.parser.get_method() == b"CONNECT":
                    self.send_400_response("This server is no proxy.")
                else:
                    data = self._head_without_offer() + data[offer.args[0] :]
                    self.parser = httptools.HttpRequestParser(self)
                    self.parser.set_dangerous_leniencies(lenient_data_after_close=True)  # as uvicorn does
                    continue
            except httptools.HttpParserError:
                self.send_400_response("Invalid HTTP request received.")
            return

    def _should_upgrade(self) -> bool:
        version, method = self.parser.get_http_version(), self.parser.get_method()
        return bool(version == "1.1" and method == b"GET" and super()._should_upgrade())

    def _head_without_offer(self) -> bytes:
        version = self.parser.get_http_version().encode()
        lines = [self.parser.get_method() + b" " + self.url + b" HTTP/" + version]
        lines += [name + b": " + value for name, value in self.headers if name != b"upgrade"]
        return b"\r\n".join([*lines, b"", b""])

    def _name_host(self) -> None:
        """Where the request line names a host, that one is meant, whatever `Host` says (RFC 9112, 3.2.2)."""
        if self.url.startswith(b"/"):
            return
        url = httptools.parse_url(self.url)
        if url.host:
            port = b"" if url.port is None else b":%d" % url.port
            named = (b"[%b]" % url.host if b":" in url.host else url.host) + port
            self.headers[:] = [(name, named if name == b"host" else value) for name, value in self.headers]

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        chosen: Any = UntilClose(app, cycle) if cycle.scope["http_version"] == "1.0" else app
        super()._start_asgi_task(cycle, chosen)


class UntilClose:
    """An answer whose length is not known beforehand ends with its connection: HTTP/1.0 knows no chunks (RFC 9112, 6.1
    and 6.3)."""

    def __init__(self, app: ASGIApp, cycle: RequestResponseCycle) -> None:
        self._app, self._cycle = app, cycle

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        cycle, endless = self._cycle, False

        async def unchunked(message: Message) -> None:
            nonlocal endless
            if message["type"] == "http.response.start":
                endless = all(name.lower() != b"content-length" for name, _ in message.get("headers", ()))
                if endless:
                    cycle.chunked_encoding = False
            elif endless:
                cycle.expected_content_length = len(message.get("body", b""))
            await send(message)

        await self._app(scope, receive, unchunked)
