"""A receiver of webhooks: a real HTTP server on loopback that keeps what it gets and answers as a test tells it to."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field

from standardwebhooks import Webhook


@dataclass(frozen=True)
class Delivered:
    """One request, its header names in lower case."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]

    def verify(self, secret: str) -> None:
        """As the reference library does. Raises WebhookVerificationError."""
        Webhook(secret).verify(self.body, self.headers)


def status(code: int, *headers: str) -> bytes:
    return "\r\n".join((f"HTTP/1.1 {code} Said", "Content-Length: 0", *headers, "", "")).encode()


Answer = Callable[[Delivered, asyncio.StreamWriter], Awaitable[None]]


@dataclass
class Receiver:
    """`answer` is what it answers; `script`, where set, writes the answer itself."""

    port: int = 0
    answer: bytes = field(default_factory=lambda: status(204))
    script: Answer | None = None
    received: list[Delivered] = field(default_factory=list)
    connections: int = 0
    scheme: str = "http"

    @property
    def url(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.port}/hook"

    @property
    def ids(self) -> list[str]:
        return [each.id for each in self.received]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
            headers = dict(line.lower().split(": ", 1)[:1] + line.split(": ", 1)[1:] for line in head[1:] if line)
            delivered = Delivered(
                head[0].split(" ")[1], headers, await reader.readexactly(int(headers["content-length"]))
            )
            self.received.append(delivered)
            if self.script is not None:
                await self.script(delivered, writer)
            else:
                writer.write(self.answer)
            await writer.drain()
        writer.close()


@contextlib.asynccontextmanager
async def receiving(receiver: Receiver | None = None, tls: ssl.SSLContext | None = None) -> AsyncIterator[Receiver]:
    """One that listens, on the port it had before where it had one."""
    receiver = receiver or Receiver()
    server = await asyncio.start_server(receiver.serve, "127.0.0.1", receiver.port, ssl=tls)
    receiver.port = server.sockets[0].getsockname()[1]
    try:
        yield receiver
    finally:
        server.close()
