"""HTTP/1.1 and WebSocket as uvicorn speaks them, with what it lacks: bounds on a request's head, in bytes and in time,
and on the time an answer may lie unread; outlets for those who tell the same to many."""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from ingest_api.outlet import EXTENSION, ChunkedOutlet, FrameOutlet
from pipeline.http1 import Http1

HEAD_BYTES = 64 * 1024
HEAD_SECONDS = 15.0
UNREAD_SECONDS = 30.0
LEAST_READ = 64 * 1024


class BoundedHttp(Http1):
    """Ends a connection whose request line and headers are larger than HEAD_BYTES (431, RFC 6585, 5), or that
    dallies for HEAD_SECONDS: with a head (slow loris), with the rest of a body that is answered already, or with
    stray bytes between requests. While nothing at all is sent, uvicorn's own keep-alive time holds.

    Cuts one that reads less than LEAST_READ of a waiting answer in UNREAD_SECONDS: its rest would lie in memory for as
    long as the client likes.
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
        super().data_received(data)
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
        super().on_headers_complete()  # the application's task is made here, and begins after this
        if self.cycle is not None and self.cycle.scope is self.scope:
            extensions: dict[str, Any] = {EXTENSION: ChunkedOutlet(self.cycle)}
            self.scope["extensions"] = extensions

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


class OpenWebSocket(WebSocketsSansIOProtocol):
    """Offers an outlet. There is none where messages may be compressed: each connection then has bytes of its own."""

    def handle_connect(self, event: Any) -> None:
        super().handle_connect(event)
        if not (self.close_sent or self.config.ws_per_message_deflate):
            extensions: dict[str, Any] = self.scope["extensions"]
            extensions[EXTENSION] = FrameOutlet(self)
