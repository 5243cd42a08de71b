"""The sockets of the process: how many there are, whose they are, and how long a request's head may take.

Nobody is known before a head has been read, so a socket is opened to everybody; when there are too many, those of
whom nothing is known go first, and those of the owner never.
"""

from __future__ import annotations

import asyncio
from typing import Any, ClassVar

from pipeline.embedded.warehouse.settings import Limits
from pipeline.embedded.warehouse.users import Role
from pipeline.http1 import Http1

_HEADERS = 500


class Connections:
    """For one event loop, oldest first. Past `limits.connections` the least of them is closed for a new one."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self._open: dict[Connection, None] = {}

    def opened(self, connection: Connection) -> None:
        self._open[connection] = None
        if len(self._open) > self.limits.connections:
            worst = min(self._open, key=Connection.worth)
            self.closed(worst)
            worst.abort()

    def closed(self, connection: Connection) -> None:
        self._open.pop(connection, None)

    def make_room_for_analyst(self) -> bool:
        """Whether there are no more than `limits.analyst_connections` of the analyst's; an idle one is closed."""
        theirs = [connection for connection in self._open if connection.role is Role.ANALYST]
        if len(theirs) <= self.limits.analyst_connections:
            return True
        idle = next((connection for connection in theirs if connection.is_idle), None)
        if idle is not None:
            self.closed(idle)
            idle.abort()
        return idle is not None

    def __len__(self) -> int:
        return len(self._open)

    def protocol(self) -> type[Connection]:
        """The class by which uvicorn serves each socket."""

        class Served(Connection):
            registry = self

        return Served


class Connection(Http1):
    """HTTP/1, with a bound on what is no body (head, chunk sizes, trailers) and a deadline for heads.

    `role` is that of the last request that proved it. A head past `limits.head` bytes or 500 headers is answered 400.
    """

    registry: ClassVar[Connections]
    role: Role | None = None
    _late: asyncio.TimerHandle | None = None
    _uncounted = 0

    @property
    def is_idle(self) -> bool:
        return self.cycle is None or self.cycle.response_complete

    def worth(self) -> int:
        """The less, the sooner it is closed. Of the owner's none is closed but for another of the owner's."""
        if self.role is None:
            return 0
        if self.role is Role.ANALYST:
            return 1 if self.is_idle else 2
        return 3 if self.is_idle else 4

    def abort(self) -> None:
        self._in_time()
        if self.transport is not None:
            self.transport.abort()

    def proved(self, role: Role) -> bool:
        """Called for each request whose credentials are good; False where there are too many of that role."""
        if self.role is not role:
            self.role = role
            return role is Role.OWNER or self.registry.make_room_for_analyst()
        return True

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._await_head()
        self.registry.opened(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._in_time()
        self.registry.closed(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._late is None and self.is_idle:
            self._await_head()
        self._uncounted += len(data)
        super().data_received(data)
        if self._uncounted > self.registry.limits.head and not self.transport.is_closing():
            self.send_400_response("The head of the request is too large.")
            self._in_time()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.scope["state"]["connection"] = self

    def on_header(self, name: bytes, value: bytes) -> None:
        if len(self.headers) >= _HEADERS:
            raise ValueError("too many headers")
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self._uncounted = 0
        self._in_time()
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self._uncounted = 0
        cycle: Any = self.cycle
        if type(cycle.body) is bytes:
            cycle.body = bytearray(cycle.body)  # many small chunks would each copy what there is already
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._uncounted = 0
        super().on_message_complete()

    def _await_head(self) -> None:
        self._late = self.loop.call_later(self.registry.limits.head_time, self.abort)

    def _in_time(self) -> None:
        if self._late is not None:
            self._late.cancel()
            self._late = None
