"""A uvicorn server that says farewell to its streams before it goes, and cuts those that will not be told."""

from __future__ import annotations

import socket
import time
from collections.abc import Awaitable, Callable
from typing import Any

import uvicorn

_LINGER = 10.0


class DrainingServer(uvicorn.Server):
    """`drain` is awaited as soon as the server is to stop: uvicorn itself would wait for streams that never end.

    A connection that is being closed but whose client takes nothing more holds its buffer for as long as the client
    likes; after `linger` seconds, and at the server's end, it is cut.
    """

    def __init__(self, config: uvicorn.Config, drain: Callable[[], Awaitable[None]], linger: float = _LINGER) -> None:
        super().__init__(config)
        self._drain, self._linger = drain, linger
        self._closing_since: dict[Any, float] = {}

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        await self._drain()
        self._cut(0.0)
        await super().shutdown(sockets)

    async def on_tick(self, counter: int) -> bool:
        if counter % 10 == 0:
            self._cut(self._linger)
        return await super().on_tick(counter)

    def _cut(self, linger: float) -> None:
        now = time.monotonic()
        closing: dict[Any, float] = {}
        for connection in list(self.server_state.connections):
            transport = connection.transport
            if transport is None or not transport.is_closing():
                continue
            since = self._closing_since.get(connection, now)
            if now - since >= linger:
                transport.abort()
            else:
                closing[connection] = since
        self._closing_since = closing
