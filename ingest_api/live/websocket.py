"""The WebSocket transport: one connection, its bounds, its heartbeats and its farewell; streets give it its messages.

A street's endpoint is

    principal = await welcome(websocket, "clustering:write")
    if principal is not None:
        await serve(websocket, principal, on_message, interests)

where `on_message(connection, message)` answers with `await connection.send({...})`. A Problem it raises is told to the
client as an `error` message; anything else it raises closes the connection with 1011.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import aclosing
from typing import Any

from starlette.websockets import WebSocket, WebSocketDisconnect

from ingest_api.json import encode
from ingest_api.live.backlog import Policy
from ingest_api.live.bridge import Live
from ingest_api.live.credential import keep_checking
from ingest_api.live.follow import Opening, follow
from ingest_api.live.framing import Wire
from ingest_api.live.greeting import (
    FAREWELL,
    accept,
    auth_success,
    check_again,
    error_message,
    live_or_refuse,
    refuse,
)
from ingest_api.live.inbound import Json, parsed, strings
from ingest_api.live.message import Outgoing
from ingest_api.live.pace import Pace
from ingest_api.live.subscriber import FAILED, GONE, IDLE, TOO_LARGE, Subscriber
from ingest_api.live.subscription import (
    Interests,
    interests_in,
    kinds_of,
    needed,
    readable,
    with_more,
    without,
)
from ingest_api.outlet import outlet_of
from ingest_api.principal import Principal
from ingest_api.problems import FieldError, Invalid, Problem
from ingest_api.wiring import wiring_of
from pipeline.clock import iso

log = logging.getLogger("thalweg.live")
_REPLIES = 1000
_REPLY_BYTES = 4 * 1024 * 1024


class Gone(Exception):
    """The client has left: there is nobody to send to."""


class Connection:
    """One client. `send` may be called from any task of the loop; messages leave in order, by one writer."""

    def __init__(self, websocket: WebSocket, principal: Principal, live: Live, subscriber: Subscriber) -> None:
        self.websocket, self.principal, self.live, self.subscriber = websocket, principal, live, subscriber
        self._replies: deque[Outgoing] = deque()
        self._reply_bytes = 0
        self._room = asyncio.Event()
        self._closed = False
        self._outlet = outlet_of(websocket.scope)
        subscriber.attach(self._outlet, Wire.FRAME)

    @property
    def id(self) -> str:
        return self.subscriber.id

    async def send(self, message: Mapping[str, Any] | bytes) -> None:
        """Queues a JSON message; waits while too many others are queued. Raises Gone."""
        reply = Outgoing("reply", message if isinstance(message, bytes) else encode(message))
        while len(self._replies) >= _REPLIES or self._reply_bytes >= _REPLY_BYTES:
            if self._closed:
                break
            self._room.clear()
            await self._room.wait()
        if self._closed:
            raise Gone
        self._replies.append(reply)
        self._reply_bytes += len(reply.body)
        self.subscriber.wake()

    async def send_error(self, problem: Problem, **extra: object) -> None:
        """The documented error message; `extra` names what it belongs to, as `batch_id`. Raises Gone."""
        await self.send({**error_message(problem, iso(self.live.clock())), **extra})

    async def run(self, on_message: OnMessage | None, opening: Opening, permissions: frozenset[str]) -> None:
        """Until the client leaves or must go: it must keep these permissions, and those of all that it is told."""

        def kept() -> frozenset[str]:
            return permissions | needed(self.subscriber.interests, self.live.watches)

        accounts, interval = wiring_of(self.websocket).accounts, self.live.settings.recheck
        aside = [
            asyncio.create_task(self._read(on_message)),
            asyncio.create_task(keep_checking(accounts, self.principal, self.subscriber, kept, interval, self._regard)),
        ]
        try:
            await self._write(opening)
        except TimeoutError:
            log.warning("live: %s took no write for %g s and is cut", self.id, self.live.settings.write_deadline)
        except WebSocketDisconnect:
            pass
        finally:
            self._closed = True
            self._room.set()
            for task in aside:
                task.cancel()
            await asyncio.gather(*aside, return_exceptions=True)

    def _regard(self, principal: Principal) -> None:
        self.principal = principal
        self.live.regard(self.subscriber, principal)

    async def _write(self, opening: Opening) -> None:
        async with aclosing(follow(self.live, self.subscriber, opening)) as batches:
            async for batch in batches:
                if self.subscriber.ending is GONE:
                    return
                if batch := [*self._taken_replies(), *batch]:
                    await self._put(batch)
        ending = self.subscriber.ending
        if ending is not None:
            async with asyncio.timeout(FAREWELL):
                await self.websocket.close(ending.code, ending.reason)

    def _taken_replies(self) -> list[Outgoing]:
        taken = list(self._replies)
        self._replies.clear()
        self._reply_bytes = 0
        self._room.set()
        return taken

    async def _put(self, batch: list[Outgoing]) -> None:
        async with asyncio.timeout(self.live.settings.write_deadline):
            if self._outlet is not None:
                await self._outlet.room()
                if self._outlet.put(b"".join([each.on(Wire.FRAME) for each in batch])):
                    return
            for each in batch:
                await self.websocket.send({"type": "websocket.send", "text": each.text.decode()})

    async def _read(self, on_message: OnMessage | None) -> None:
        try:
            await self._read_all(on_message)
        except WebSocketDisconnect:
            self.subscriber.end(GONE)
        except Gone:
            pass
        except Exception:
            log.exception("live: %s: a message could not be handled", self.id)
            self.subscriber.end(FAILED)

    async def _read_all(self, on_message: OnMessage | None) -> None:
        loop = asyncio.get_running_loop()
        settings = self.live.settings
        pace = Pace(settings.messages_per_second, loop.time())
        while True:
            raw = await self._received(settings.idle)
            if raw is None:
                continue
            if len(raw) > settings.max_message_bytes:
                self.subscriber.end(TOO_LARGE)
                return
            try:
                await self._handle(parsed(raw), on_message)
            except Problem as problem:
                await self.send_error(problem)
            except RecursionError:  # of reading it, or of sending back what could just be read
                await self.send_error(Problem(400, "VALIDATION_ERROR", "The message is nested too deeply"))
            delay = pace.wait(loop.time())
            if delay:
                await asyncio.sleep(delay)

    async def _received(self, idle: float) -> bytes | str | None:
        """The next message; None after a silence of a client that listens to something."""
        try:
            async with asyncio.timeout(idle):
                event = await self.websocket.receive()
        except TimeoutError:
            if not self.subscriber.interests:
                self.subscriber.end(IDLE)
            return None
        if event["type"] == "websocket.disconnect":
            raise WebSocketDisconnect(event.get("code", 1005))
        text: str | None = event.get("text")
        raw: bytes | str = event["bytes"] if text is None else text
        return raw

    async def _handle(self, message: Json, on_message: OnMessage | None) -> None:
        kind = message.get("type")
        if kind == "ping":
            await self.send({"type": "pong", "data": message.get("data"), "timestamp": iso(self.live.clock())})
        elif kind in ("subscribe", "unsubscribe"):
            await self._change(message, kind == "subscribe")
        elif kind in ("auth", "authenticate"):
            await check_again(self.websocket, self.principal, message)
            await self.send(auth_success(self.principal, iso(self.live.clock())))
        elif kind != "pong" and on_message is not None:
            await on_message(self, message)
        elif kind != "pong":
            raise Invalid([FieldError("type", "one of auth, ping, pong, subscribe, unsubscribe")])

    async def _change(self, message: Json, more: bool) -> None:
        topics = strings(message, "topics")
        streams = [*strings(message, "stream"), *strings(message, "streams")]
        held = self.subscriber.interests
        if more:
            kinds = readable(self.principal, topics, self.live.watches)
            changed = with_more(held, self.live.meant(self.principal, interests_in(kinds, streams)))
        else:
            kinds = kinds_of(topics, self.live.watches)
            changed = without(held, kinds, [self.live.grants.key_of(self.principal, name) for name in streams])
        await self._hear(changed)

    async def hear_too(self, kinds: Iterable[str], name: str) -> None:
        """Subscribes to a stream of its own accord, and tells so. Raises Gone, and Invalid beyond the bound."""
        held = self.subscriber.interests
        changed = with_more(held, self.live.meant(self.principal, interests_in(kinds, (name,))))
        if changed != held:
            await self._hear(changed)

    async def _hear(self, changed: Interests) -> None:
        self.live.hub.change(self.subscriber, changed)
        topics = sorted({kind for kind, _ in changed})
        named = sorted({stream for _, stream in changed if stream is not None})
        told = {"topics": topics, "streams": named}
        await self.send({"type": "subscribed", "data": told, "timestamp": iso(self.live.clock())})


OnMessage = Callable[[Connection, Json], Awaitable[None]]


async def serve(
    websocket: WebSocket,
    principal: Principal,
    on_message: OnMessage | None,
    interests: Interests,
    *,
    permission: str | None = None,
    policy: Policy = Policy.CONFLATE,
    opening: Opening | None = None,
) -> None:
    """Accepts, greets, and serves until the client leaves or must go. Messages go to `on_message`, but for `auth`,
    `ping`, `subscribe` and `unsubscribe`, which are answered here. `permission` is what the principal must keep,
    beside those that what it is told needs."""
    live = await live_or_refuse(websocket)
    if live is None:
        return
    try:
        subscriber = live.subscriber(principal, interests, policy)
    except Problem as problem:
        await refuse(websocket, problem, 1013)
        return
    kept = frozenset[str]() if permission is None else frozenset({permission})
    try:
        await accept(websocket)
        await Connection(websocket, principal, live, subscriber).run(on_message, opening or Opening(), kept)
    finally:
        live.hub.leave(subscriber)
