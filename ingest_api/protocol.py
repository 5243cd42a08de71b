"""HTTP/1.1 and WebSocket as uvicorn speaks them, with what it lacks: bounds on a request's head, in bytes and in time,
and on the time an answer may lie unread; bodies behind an offer to upgrade; answers that HTTP/1.0 can read; outlets for
those who tell the same to many."""

from __future__ import annotations

import asyncio
from typing import Any

import httptools
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from ingest_api.outlet import EXTENSION, ChunkedOutlet, FrameOutlet

HEAD_BYTES = 64 * 1024
HEAD_SECONDS = 15.0
UNREAD_SECONDS = 30.0
LEAST_READ = 64 * 1024


class BoundedHttp(HttpToolsProtocol):
    """Ends a connection whose request line and headers are larger than HEAD_BYTES (431, RFC 6585, 5), or that
    dallies for HEAD_SECONDS: with a head (slow loris), with the rest of a body that is answered already, or with
    stray bytes between requests. While nothing at all is sent, uvicorn's own keep-alive time holds.

    Cuts one that reads less than LEAST_READ of a waiting answer in UNREAD_SECONDS: its rest would lie in memory for as
    long as the client likes.

    Takes the offer of a WebSocket alone. Any other `Upgrade` is ignored and the request read to its end (RFC 9110,
    7.8): Java's HttpClient and curl offer h2c with every request, its body behind it, where the parser would stop at
    the head. So is a WebSocket's that is no GET, or is of HTTP/1.0.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._in_head = True
        self._head_size = 0
        self._timer: asyncio.TimerHandle | None = None
        self._unread = 0
        self._reading: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._begin_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._end_head()
        self._end_reading()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        super().pause_writing()
        self._unread = self.transport.get_write_buffer_size()
        self._reading = self._reading or self.loop.call_later(UNREAD_SECONDS, self._look_at_reading)

    def resume_writing(self) -> None:
        self._end_reading()
        super().resume_writing()

    def data_received(self, data: bytes) -> None:
        self._parse(data)
        if self._dallies() and self._timer is None:
            self._timer = self.loop.call_later(HEAD_SECONDS, self._give_up)
        if not self._in_head:
            return
        self._head_size += len(data)
        if self._head_size > HEAD_BYTES and not self.transport.is_closing():
            self.transport.write(b"HTTP/1.1 431 Request Header Fields Too Large\r\nconnection: close\r\n\r\n")
            self.transport.close()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._begin_head()

    def on_headers_complete(self) -> None:
        self._end_head()
        if self.parser.should_upgrade() and not self._should_upgrade():
            return  # _parse reads it again without the offer
        if self.parser.get_http_version() == "1.0":
            self.expect_100_continue = False  # RFC 9110, 10.1.1
        self._name_host()
        super().on_headers_complete()  # the application's task is made here, and begins after this
        if self.cycle is not None and self.cycle.scope is self.scope:
            extensions: dict[str, Any] = {EXTENSION: ChunkedOutlet(self.cycle)}
            self.scope["extensions"] = extensions

    def on_message_complete(self) -> None:
        if not self.parser.should_upgrade():
            super().on_message_complete()

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

    def _look_at_reading(self) -> None:
        self._reading = None
        left = self.transport.get_write_buffer_size()
        if self._unread - left < LEAST_READ:
            self.transport.abort()
        else:
            self._unread = left
            self._reading = self.loop.call_later(UNREAD_SECONDS, self._look_at_reading)

    def _end_reading(self) -> None:
        if self._reading is not None:
            self._reading.cancel()
            self._reading = None

    def _begin_head(self) -> None:
        self._end_head()
        self._in_head = True
        self._timer = self.loop.call_later(HEAD_SECONDS, self._give_up)

    def _end_head(self) -> None:
        self._in_head = False
        self._head_size = 0
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _give_up(self) -> None:
        self._timer = None
        if self._dallies() and not self.transport.is_closing():
            self.transport.close()

    def _dallies(self) -> bool:
        return self._in_head or (self.cycle is not None and self.cycle.response_complete)


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


class OpenWebSocket(WebSocketsSansIOProtocol):
    """Offers an outlet. There is none where messages may be compressed: each connection then has bytes of its own."""

    def handle_connect(self, event: Any) -> None:
        super().handle_connect(event)
        if not (self.close_sent or self.config.ws_per_message_deflate):
            extensions: dict[str, Any] = self.scope["extensions"]
            extensions[EXTENSION] = FrameOutlet(self)
