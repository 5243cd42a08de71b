"""Sending one request to a host that a user named: to an address that may be spoken to, and for a bounded time.

No redirects, no cookies, no proxy and no credentials from the environment: httpcore has none of them.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
import threading
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import httpcore

from pipeline.accounts.destinations import Allowed, Destination, Forbidden, destination_of, examine

LONGEST_ANSWER = 64 * 1024
"""Bytes of an answer's body that are read, out of courtesy: what it says is of no interest."""
Resolve = Callable[[str, int, str], Awaitable[Sequence[str]]]
"""The addresses of a host, for a port, asked on behalf of an owner."""


@dataclass(frozen=True, slots=True)
class Answer:
    """`status` is None where none came in time; `error` then says why, in words for the webhook's owner."""

    milliseconds: float
    status: int | None = None
    error: str | None = None
    retry_after: str | None = None


class Crowded(Exception):
    """The names of an owner's hosts are slow to be found: so many are looked up already."""


def addresses_of(host: str, port: int) -> Sequence[str]:
    """All of them, in the system's order of preference. Blocks. Raises OSError, UnicodeError."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


class Resolver:
    """Asks the system for a host's addresses, in threads of its own, at most `each` of which are one owner's: names
    that hang hold up nobody but their owner, long after whoever asked has given up."""

    def __init__(
        self, threads: int = 64, each: int = 4, ask: Callable[[str, int], Sequence[str]] = addresses_of
    ) -> None:
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="resolver")
        self._each, self._ask = each, ask
        self._asking: Counter[str] = Counter()
        self._lock = threading.Lock()

    async def __call__(self, host: str, port: int, owner: str = "") -> Sequence[str]:
        """Raises Crowded, OSError, UnicodeError."""
        with self._lock:
            if self._asking[owner] >= self._each:
                raise Crowded
            self._asking[owner] += 1
        asked = self._threads.submit(self._ask, host, port)
        asked.add_done_callback(lambda _: self._answered(owner))
        return await asyncio.wrap_future(asked)

    def _answered(self, owner: str) -> None:
        """In whatever thread: once it is known, or will not be asked any more."""
        with self._lock:
            self._asking[owner] -= 1
            if not self._asking[owner]:
                del self._asking[owner]


class Post:
    """`resolve` is asked once for each request; the connection goes to what it answered, and to nothing else."""

    def __init__(
        self,
        allowed: Allowed,
        *,
        seconds: float = 10.0,
        connect_seconds: float = 5.0,
        resolve: Resolve | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._allowed, self._seconds, self._connect_seconds = allowed, seconds, connect_seconds
        self._resolve = resolve or Resolver()
        self._tls = tls or httpcore.default_ssl_context()

    async def send(self, url: str, headers: Mapping[str, str], body: bytes, owner: str = "") -> Answer:
        """One POST, for an owner. Raises nothing that is the receiver's fault. A status that has come holds, whatever
        becomes of the rest of the answer."""
        began = time.monotonic()
        heads: list[tuple[int, str | None]] = []
        error = None
        try:
            async with asyncio.timeout(self._seconds):
                where = await self._where(url, owner)
                if isinstance(where, Forbidden):
                    error = where.detail
                else:
                    await self._exchange(*where, headers, body, heads)
        except (TimeoutError, httpcore.TimeoutException):
            error = f"no answer within {self._seconds:g} s"
        except (httpcore.NetworkError, httpcore.ProtocolError) as failure:
            error = _worded(failure)
        milliseconds = (time.monotonic() - began) * 1000
        if not heads:
            return Answer(milliseconds, error=error)
        [(status, retry_after)] = heads
        return Answer(milliseconds, status, retry_after=retry_after)

    async def _where(self, url: str, owner: str) -> tuple[Destination, Sequence[str]] | Forbidden:
        """The destination and the addresses it may be reached at."""
        destination = destination_of(url)
        if isinstance(destination, Forbidden):
            return destination
        if destination.address is not None:
            addresses: Sequence[str] = [destination.host]
        else:
            try:
                addresses = await self._resolve(destination.host, destination.port, owner)
            except Crowded:
                return Forbidden("host_unknown", "the names of your webhooks' hosts take too long to be found")
            except (OSError, UnicodeError):
                return Forbidden("host_unknown", "the URL's host has no address")
        judged = examine(url, self._allowed, addresses)
        return judged if isinstance(judged, Forbidden) else (judged, addresses)

    async def _exchange(
        self,
        destination: Destination,
        addresses: Sequence[str],
        headers: Mapping[str, str],
        body: bytes,
        heads: list[tuple[int, str | None]],
    ) -> None:
        """Puts the answer's status and its Retry-After into `heads` as soon as they are there."""
        url = httpcore.URL(
            scheme=destination.scheme.encode(),
            host=destination.host.encode(),
            port=destination.port,
            target=destination.target.encode(),
        )
        timeouts = {"connect": self._connect_seconds, "read": self._seconds, "write": self._seconds}
        told = [("host", destination.authority), ("content-length", str(len(body))), *headers.items()]
        async with (
            httpcore.AsyncConnectionPool(
                ssl_context=self._tls, network_backend=_Pinned(addresses), max_keepalive_connections=0
            ) as pool,
            pool.stream("POST", url, headers=told, content=body, extensions={"timeout": timeouts}) as response,
        ):
            heads.append((response.status, _header(response.headers, b"retry-after")))
            await _drain(response)


class _Pinned(httpcore.AsyncNetworkBackend):
    """Connects to the addresses it was given, whatever host it is asked for; TLS is still with that host."""

    def __init__(self, addresses: Sequence[str]) -> None:
        self._addresses = addresses
        self._network = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """To the first that answers, within `timeout` seconds for all of them."""
        failure: Exception = httpcore.ConnectError("no address")
        deadline = None if timeout is None else time.monotonic() + timeout
        for address in self._addresses:
            left = None if deadline is None else max(0.001, deadline - time.monotonic())
            try:
                return await self._network.connect_tcp(address, port, left, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
        raise failure

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


async def _drain(response: httpcore.Response) -> None:
    size = 0
    async for part in response.aiter_stream():
        size += len(part)
        if size > LONGEST_ANSWER:
            return


def _header(headers: Sequence[tuple[bytes, bytes]], name: bytes) -> str | None:
    return next((value.decode("latin-1") for key, value in headers if key.lower() == name), None)


def _worded(failure: Exception) -> str:
    """Without what the failure says itself: it may tell addresses and ports."""
    cause: BaseException | None = failure
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return f"the receiver's certificate is not accepted: {cause.verify_message}"
        if isinstance(cause, ssl.SSLError):
            return "no TLS connection could be made"
        cause = cause.__cause__ or cause.__context__
    if isinstance(failure, httpcore.ConnectError):
        return "the receiver cannot be reached"
    if isinstance(failure, httpcore.ProtocolError):
        return "the receiver's answer is not HTTP"
    return "the connection was lost"
