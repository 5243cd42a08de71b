"""A live bridge on a real broker behind a real server, and the clients that listen to it."""

from __future__ import annotations

import asyncio
import dataclasses
import hashlib
import json
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, cast

import httpx
import uvicorn
from fastapi import APIRouter, FastAPI

from ingest_api.accounts.keys import ApiKey
from ingest_api.app import create_app
from ingest_api.domains import WATCHES
from ingest_api.grants import Grants
from ingest_api.live.bridge import Live
from ingest_api.live.draining import DrainingServer
from ingest_api.live.settings import LiveSettings
from ingest_api.live.watch import Watch
from ingest_api.protocol import BoundedHttp, OpenWebSocket
from ingest_api.settings import ApiSettings
from pipeline.kafka.producer import Producer
from pipeline.kafka.provision import provision
from pipeline.kafka.view import View
from pipeline.settings import KafkaSettings
from schemas.codec import Codec
from schemas.event import Event
from tests.doubles.desk import door_in, session_of, wired
from tests.doubles.grants import Open
from tests.ingest_api.live.records import KEY

PARTITIONS = 2
READER = "reader-key-0123456789abcdef"
SECRET = "not-a-secret-0123456789abcdef0123"
WRITER = "writer-key-0123456789abcdef"


@dataclass
class Log:
    """Topics of one test's own, shaped like the street's."""

    bootstrap: str
    name: str = field(default_factory=lambda: uuid.uuid4().hex[:8])

    def __post_init__(self) -> None:
        self.kafka = KafkaSettings(self.bootstrap, partitions=PARTITIONS)
        self.codec = Codec()
        self.watches: Sequence[Watch] = [
            dataclasses.replace(watch, topic=dataclasses.replace(watch.topic, name=f"{self.name}.{watch.topic.name}"))
            for watch in WATCHES
        ]
        provision(self.kafka, [watch.topic for watch in self.watches])

    def rename(self, kind: str, topic: str) -> None:
        """Lets a topic that exists already stand for a kind."""
        self.watches = [
            dataclasses.replace(watch, topic=dataclasses.replace(watch.topic, name=topic))
            if watch.kind == kind
            else watch
            for watch in self.watches
        ]

    async def write(self, kind: str, *events: tuple[str, Event | None], partition: int = 0) -> None:
        """Appends (key, record or tombstone) in order."""
        async with self.writer() as write:
            await write(kind, *events, partition=partition)

    @asynccontextmanager
    async def writer(self) -> AsyncIterator[Callable[..., Awaitable[None]]]:
        """`write`, for many times."""
        producer = Producer(self.kafka, "test")

        async def write(kind: str, *events: tuple[str, Event | None], partition: int = 0) -> None:
            topic = next(watch.topic.name for watch in self.watches if watch.kind == kind)
            encoded = [(key.encode(), None if event is None else self.codec.encode(event)) for key, event in events]
            await asyncio.gather(*(producer.send(topic, raw, key=key, partition=partition) for key, raw in encoded))

        try:
            yield write
        finally:
            await producer.close()

    def live(self, *, views: bool = False, grants: Grants | None = None, **settings: Any) -> Live:
        """A replica's bridge, not started. `settings` replace fields of LiveSettings."""
        made: dict[str, View[Any]] = {}
        if views:
            watch = self.watches[0]
            made["clusters"] = View(self.kafka, "test-view", watch.topic, watch.record, self.codec)
        return Live(
            LiveSettings((KEY,), **settings), self.kafka, self.watches, self.codec, grants or Open(), views=made
        )


@dataclass(frozen=True)
class Served:
    """A running server."""

    port: int
    live: Live
    server: DrainingServer
    task: asyncio.Task[None]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def socket(self, path: str, **query: str) -> str:
        return str(httpx.URL(f"ws://127.0.0.1:{self.port}{path}", params={"api_key": READER, **query}))


@asynccontextmanager
async def serving(
    live: Live, *streets: APIRouter, linger: float = 10.0, outlets: bool = True, **settings: Any
) -> AsyncIterator[Served]:
    """An API process with the bridge in it; stopped as a signal would stop it. Without `outlets`, behind a server that
    knows nothing but ASGI. `settings` replace fields of ApiSettings."""
    for view in live.views.values():
        await view.start(PARTITIONS)
    protocols: dict[str, Any] = {"http": BoundedHttp, "ws": OpenWebSocket} if outlets else {"ws": "websockets-sansio"}
    config = uvicorn.Config(
        _app(live, streets, settings), port=0, log_config=None, ws_per_message_deflate=not outlets, **protocols
    )
    server = DrainingServer(config, live.drain, linger)
    task = asyncio.create_task(server.serve())
    while not server.started:
        assert not task.done(), task
        await asyncio.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        yield Served(port, live, server, task)
    finally:
        server.should_exit = True
        await task
        for view in live.views.values():
            await view.stop()


def _app(live: Live, streets: Sequence[APIRouter], more: Mapping[str, Any]) -> FastAPI:
    keys = (_key("reader", "read", READER), _key("writer", "write", WRITER))
    plain = ApiSettings(dev_admin=True, api_keys=keys, rate_limits=0.0, jwt_secrets=(("k1", SECRET),))
    settings = dataclasses.replace(plain, **more)
    wiring = wired(settings)
    app = create_app(settings, dataclasses.replace(wiring, parts=(*wiring.parts, live)))
    for street in streets:
        app.include_router(street)
    return app


async def token_for(served: Served, seconds: float) -> str:
    """A token that will be accepted for so long."""
    return await session_of(door_in(cast(FastAPI, served.server.config.app)), seconds=seconds)


def _key(name: str, scope: str, key: str) -> ApiKey:
    return ApiKey(name, (scope,), hashlib.sha256(key.encode()).hexdigest())


@dataclass(frozen=True)
class Heard:
    """One server-sent event."""

    type: str
    id: str | None
    retry: int | None
    body: dict[str, Any]

    @property
    def data(self) -> dict[str, Any]:
        data: dict[str, Any] = self.body["data"]
        return data


@asynccontextmanager
async def listening(
    served: Served, *, headers: dict[str, str] | None = None, **query: str | list[str]
) -> AsyncIterator[AsyncIterator[Heard]]:
    """An EventSource; with the reader's key, unless a token or a ticket is given."""
    sent = {} if {"token", "ticket"} & query.keys() else {"X-API-Key": READER}
    async with (
        httpx.AsyncClient(timeout=30, verify=False, headers={**sent, **(headers or {})}) as client,
        client.stream("GET", f"{served.url}/api/v1/events", params=query) as response,
    ):
        if response.status_code != 200:
            await response.aread()
            raise AssertionError(f"{response.status_code}: {response.text}")
        assert response.headers["content-type"].startswith("text/event-stream")
        yield parsed(response.aiter_lines())


async def parsed(lines: AsyncIterator[str]) -> AsyncIterator[Heard]:
    fields: dict[str, str] = {}
    async for line in lines:
        if line:
            name, _, value = line.partition(": ")
            fields[name] = value
            continue
        retry = int(fields["retry"]) if "retry" in fields else None
        yield Heard(fields["event"], fields.get("id"), retry, json.loads(fields["data"]))
        fields = {}


async def until(condition: Callable[[], bool]) -> None:
    """Looks again and again, since what the server holds inside tells nobody of its changes."""
    for _ in range(600):
        if condition():
            return
        await asyncio.sleep(0.05)
    raise AssertionError("not within 30 s")


async def take(events: AsyncIterator[Heard], count: int, *, of: str | None = None) -> list[Heard]:
    """The next `count` events, of one type where one is named."""
    taken: list[Heard] = []
    async with asyncio.timeout(30):
        while len(taken) < count:
            event = await anext(events)
            if of in (None, event.type):
                taken.append(event)
    return taken
