"""Writing ready-made bytes to one connection at once: what a server offers beyond ASGI, under `EXTENSION`.

ASGI's `send` awaits, for each receiver of each message, what is the same for all of them. Who tells the same to many
frames it once and puts it on each connection's outlet. Where a server offers none, `send` serves as ever.
"""

from __future__ import annotations

import weakref
from collections.abc import Mapping
from typing import Any, Protocol

from uvicorn.protocols.http.httptools_impl import RequestResponseCycle
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

EXTENSION = "thalweg.outlet"


class Outlet(Protocol):
    """Of one response or WebSocket. Whoever puts bytes there must not be within a `send` of the same connection."""

    def put(self, data: bytes) -> bool:
        """Writes whole frames or chunks without waiting. False, and nothing written, where the head is not sent yet,
        the end is sent, the connection is lost, or its client takes too slowly for more."""

    async def room(self) -> None:
        """Waits until its client has taken enough for more to be put, or is gone."""


def outlet_of(scope: Mapping[str, Any]) -> Outlet | None:
    """What the server offers for the connection of an ASGI scope."""
    outlet: Outlet | None = scope.get("extensions", {}).get(EXTENSION)
    return outlet


class ChunkedOutlet:
    """Takes whole chunks of a response whose length is not known beforehand (RFC 9112, 7.1)."""

    def __init__(self, cycle: RequestResponseCycle) -> None:
        self._cycle = weakref.ref(cycle)  # it holds the scope that holds this

    def put(self, data: bytes) -> bool:
        cycle = self._cycle()
        if (
            cycle is None
            or not cycle.chunked_encoding
            or cycle.response_complete
            or cycle.disconnected
            or cycle.flow.write_paused
            or cycle.transport.is_closing()
        ):
            return False
        cycle.transport.write(data)
        return True

    async def room(self) -> None:
        cycle = self._cycle()
        if cycle is not None:
            await cycle.flow.drain()


class FrameOutlet:
    """Takes whole frames of a server, unmasked and without extensions (RFC 6455, 5.2)."""

    def __init__(self, protocol: WebSocketsSansIOProtocol) -> None:
        self._protocol = protocol

    def put(self, data: bytes) -> bool:
        protocol = self._protocol
        if (
            not protocol.handshake_complete
            or protocol.close_sent
            or protocol.disconnected
            or not protocol.writable.is_set()
            or protocol.transport.is_closing()
        ):
            return False
        protocol.transport.write(data)
        return True

    async def room(self) -> None:
        await self._protocol.writable.wait()
