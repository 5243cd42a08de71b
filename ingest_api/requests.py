"""Around every request: its id, its size, its time, the headers of its answer, and its line in the log."""

from __future__ import annotations

import asyncio
import logging
import re
import secrets
import time
from collections.abc import Callable

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect, HTTPConnection
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ingest_api.envelopes import Renderer
from ingest_api.host import refused_host
from ingest_api.problems import Busy, Encoded, Problem, TooLarge, TooSlow

_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_ACCESS = logging.getLogger("thalweg.access")
_STARTS = ("http.response.start", "websocket.http.response.start")
_LINGER_SECONDS = 5.0
_LINGER_BYTES = 128 * 1024 * 1024
_CLIENT_LEFT = 499
_FULL_SECONDS = 5.0
_PATH_CHARACTERS = 2048
_QUERY_FIELDS = 1000
Observe = Callable[[Scope, int], None]


class Requests:
    """Gives each request an id (the caller's X-Request-ID where it is a fit one), answers what nobody caught,
    sets the headers every answer has, and writes one line when all is done. More than `at_once` requests and
    WebSockets at a time are answered 503. `observe` is told the status of each as soon as it is known, before the
    answer leaves; 101 of a WebSocket that is accepted."""

    def __init__(self, app: ASGIApp, renderer: Renderer, at_once: int, observe: Observe) -> None:
        self.app, self.renderer, self.at_once, self.observe = app, renderer, at_once, observe
        self._open = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        state = scope.setdefault("state", {})
        state["request_id"] = _request_id(scope)
        answer = _Answer(scope, send, self.observe)
        started = time.perf_counter()
        self._open += 1
        try:
            await self._answered(scope, receive, answer)
        finally:
            self._open -= 1
            _log(scope, answer.status, time.perf_counter() - started)

    async def _answered(self, scope: Scope, receive: Receive, answer: _Answer) -> None:
        try:
            refusal = refused_host(scope)
            if refusal is not None:
                await self.renderer.render(HTTPConnection(scope), refusal)(scope, receive, answer)
                return
            if self._open > self.at_once:
                full = Busy("The server has as many connections as it takes", _FULL_SECONDS)
                await self.renderer.render(HTTPConnection(scope), full)(scope, receive, answer)
                return
            if (endless := _endless(scope)) is not None:
                await self.renderer.render(HTTPConnection(scope), endless)(scope, receive, answer)
                return
            await self.app(scope, receive, answer)
        except ClientDisconnect:
            answer.begin(_CLIENT_LEFT)
        except asyncio.CancelledError:
            # The server ends and has waited long enough: its own answer would be a bare 500.
            if answer.status or scope["type"] == "websocket":
                raise
            ending = Busy("The server is about to end; try again")
            await self.renderer.render(HTTPConnection(scope), ending)(scope, receive, answer)
        except Exception as error:
            response = self.renderer.render(HTTPConnection(scope), error)
            if answer.status or scope["type"] == "websocket":
                raise  # it is too late to answer: the connection is cut
            await response(scope, receive, answer)


class _Answer:
    """`send`, which notes the status and adds the headers."""

    def __init__(self, scope: Scope, send: Send, observe: Observe) -> None:
        self._scope, self._send, self._observe = scope, send, observe
        self.status = 0

    def begin(self, status: int) -> None:
        """The first one counts."""
        if not self.status:
            self.status = status
            self._observe(self._scope, status)

    async def __call__(self, message: Message) -> None:
        if message["type"] in _STARTS:
            self.begin(message["status"])
            self._add_headers(MutableHeaders(scope=message))
        elif message["type"] == "websocket.accept":
            self.begin(101)
            message.setdefault("headers", [])
            MutableHeaders(scope=message)["X-Request-ID"] = self._scope["state"]["request_id"]
        elif message["type"] == "websocket.close":
            self.begin(403)
        await self._send(message)

    def _add_headers(self, headers: MutableHeaders) -> None:
        state = self._scope["state"]
        headers["X-Request-ID"] = state["request_id"]
        headers["X-Content-Type-Options"] = "nosniff"
        headers["X-Frame-Options"] = "DENY"
        if self._scope["scheme"] in ("https", "wss"):
            headers["Strict-Transport-Security"] = "max-age=31536000"
        headers.setdefault("Cache-Control", "no-store")
        headers.setdefault("Referrer-Policy", "no-referrer")
        headers.setdefault("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
        for name, value in state.get("answer_headers", {}).items():
            headers.setdefault(name, value)


class Body:
    """Bounds the request body in bytes and in time, whether its length was declared or not, and all bodies together
    in bytes: what would exceed `memory` is answered 503.

    What is too large is answered without being read to the end. Closing on a client that still sends would reset
    the connection and lose the answer, so the answer goes out first and what still comes is thrown away, for a
    bounded while (RFC 9112, 9.6).
    """

    def __init__(self, app: ASGIApp, renderer: Renderer, limit: int, seconds: float, memory: int) -> None:
        self.app, self.renderer, self.limit, self.seconds = app, renderer, limit, seconds
        self._held = Held(memory)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        body = _Body(scope, receive, send, self.limit, self.seconds, self._held)
        refusal = body.refusal
        if refusal is not None:
            body.cut = True
            await self.renderer.render(HTTPConnection(scope), refusal)(scope, body.receive, body.send)
            return
        try:
            await self.app(scope, body.receive, body.send)
        finally:
            body.let_go()


class Held:
    """Bytes of all bodies that are being read or worked on."""

    def __init__(self, most: int) -> None:
        self._most, self._now = most, 0

    def take(self, count: int) -> None:
        """Raises Busy."""
        if self._now + count > self._most:
            raise Busy("The server holds as much as it can; send this again", 1.0)
        self._now += count

    def give_back(self, count: int) -> None:
        self._now -= count


class _Body:
    """One request's body as it comes in. `cut` says that the rest of it is not wanted."""

    def __init__(self, scope: Scope, receive: Receive, send: Send, limit: int, seconds: float, held: Held) -> None:
        headers = Headers(scope=scope)
        length = headers.get("content-length", "")
        self.declared = int(length) if length.isascii() and length.isdigit() else None
        self.cut = False
        self._receive, self._send, self._limit, self._seconds, self._held = receive, send, limit, seconds, held
        self._taken = 0
        self._encoding = headers.get("content-encoding", "").strip().lower()
        self._endless = "transfer-encoding" in headers
        self._complete = not self.declared and not self._endless
        self._size = 0
        self._deadline = asyncio.get_running_loop().time() + seconds

    @property
    def refusal(self) -> Problem | None:
        """Why the head alone says that the body is not wanted."""
        if self._complete:
            return None
        if self.declared is not None and self.declared > self._limit:
            return TooLarge(self._limit)
        return Encoded(self._encoding) if self._encoding not in ("", "identity") else None

    async def receive(self) -> Message:
        if self._complete:
            return await self._receive()
        try:
            async with asyncio.timeout_at(self._deadline):
                message = await self._receive()
        except TimeoutError:
            self.cut = True
            raise TooSlow(self._seconds) from None
        size = len(message.get("body", b""))
        self._size += size
        self._complete = not message.get("more_body", False)
        self.cut = True
        if self._size > self._limit:
            raise TooLarge(self._limit)
        self._held.take(size)
        self._taken += size
        self.cut = False
        return message

    def let_go(self) -> None:
        """Nothing of it is kept any more."""
        self._held.give_back(self._taken)
        self._taken = 0

    async def send(self, message: Message) -> None:
        if self._complete or not (self.cut or self._endless):
            await self._send(message)
        elif message["type"] == "http.response.start":
            MutableHeaders(scope=message)["Connection"] = "close"
            await self._send(message)
        elif message["type"] == "http.response.body" and not message.get("more_body", False):
            await self._send({**message, "more_body": True})
            await self._linger()
            await self._send({"type": "http.response.body", "body": b"", "more_body": False})
        else:
            await self._send(message)

    async def _linger(self) -> None:
        try:
            async with asyncio.timeout(_LINGER_SECONDS):
                while not self._complete and self._size < self._limit + _LINGER_BYTES:
                    message = await self._receive()
                    self._size += len(message.get("body", b""))
                    self._complete = not message.get("more_body", False)
        except TimeoutError:
            return


def _endless(scope: Scope) -> Problem | None:
    """Why an address is not even looked up: it would be taken apart, on the loop, before anybody is asked who they are
    (RFC 9110, 15.5.15)."""
    if len(scope["path"]) > _PATH_CHARACTERS:
        return Problem(414, "VALIDATION_ERROR", f"The path is longer than {_PATH_CHARACTERS} characters")
    if scope["query_string"].count(b"&") >= _QUERY_FIELDS:
        return Problem(414, "VALIDATION_ERROR", f"The query has more than {_QUERY_FIELDS} fields")
    return None


def _request_id(scope: Scope) -> str:
    given = Headers(scope=scope).get("x-request-id", "")
    return given if _REQUEST_ID.fullmatch(given) else f"req_{secrets.token_hex(8)}"


def _log(scope: Scope, status: int, seconds: float) -> None:
    state = scope["state"]
    _ACCESS.info(
        "%s %s %d %.1fms %s %s",
        scope.get("method", "WS"),
        _printable(scope["path"]),
        status,
        seconds * 1000,
        state.get("principal", "-"),
        state["request_id"],
    )


def _printable(path: str) -> str:
    """A path cannot break the line it stands in."""
    return path.encode("unicode_escape").decode("ascii")[:512]
