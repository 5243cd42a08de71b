"""A running system, and how tests talk to it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import uuid
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from typing import Any

import httpx
import websockets

from pipeline.kafka.browse import ends, stretch
from pipeline.kafka.record import Record
from pipeline.settings import KafkaSettings
from pipeline.warehouse.connection import Connection
from schemas.clustering.topics import OBSERVED
from tests.flow.child import Child

ADMIN_PASSWORD = "correct horse battery"
JWT_SECRETS = "k1:0123456789abcdef0123456789abcdef"
Json = dict[str, Any]


@dataclass
class Stack:
    """`keys` are API keys by name: writer and other (both read and write), sensor (writes alone). `told` is the
    environment of its parts."""

    kafka: KafkaSettings
    tables: Connection
    worker: Child
    archive: Child
    api: Child
    keys: dict[str, str]
    told: dict[str, str]

    def stream(self) -> str:
        """A name no other test uses."""
        return f"s{uuid.uuid4().hex[:12]}"

    @contextlib.asynccontextmanager
    async def client(self, name: str = "writer") -> AsyncIterator[httpx.AsyncClient]:
        """A caller with the key of that name; `admin` logs in."""
        async with httpx.AsyncClient(base_url=self.api.url, timeout=60) as http:
            if name == "admin":
                form = {"username": "admin", "password": ADMIN_PASSWORD}
                token = (await http.post("/auth/login", data=form)).raise_for_status().json()["access_token"]
                http.headers["Authorization"] = f"Bearer {token}"
            else:
                http.headers["X-API-Key"] = self.keys[name]
            yield http

    @contextlib.asynccontextmanager
    async def user(self, admin: httpx.AsyncClient) -> AsyncIterator[httpx.AsyncClient]:
        """A new user who has logged in."""
        name, password = f"u{uuid.uuid4().hex[:12]}", "seven geese over a violet roof"
        made = await admin.post("/api/admin/users", json={"username": name, "password": password, "roles": ["user"]})
        made.raise_for_status()
        async with httpx.AsyncClient(base_url=self.api.url, timeout=60) as http:
            opened = await http.post("/auth/login", data={"username": name, "password": password})
            http.headers["Authorization"] = f"Bearer {opened.raise_for_status().json()['access_token']}"
            yield http

    @contextlib.asynccontextmanager
    async def socket(self, stream: str, name: str = "writer") -> AsyncIterator[Socket]:
        """WS /ws/stream, greeted."""
        url = f"{self.api.url.replace('http', 'ws')}/ws/stream?stream={stream}&api_key={self.keys[name]}"
        async with websockets.connect(url, max_size=None) as connection:
            socket = Socket(connection, [])
            await socket.next("connected")
            yield socket

    def marks(self) -> dict[int, int]:
        """The ends of points.observed.v1 now."""
        return {partition: mark.high for partition, mark in ends(self.kafka, OBSERVED.name).items()}

    def observed(self, stream: str, since: dict[int, int]) -> list[Record]:
        """Records of the stream that went into the log since."""
        return [each for each in stretch(self.kafka, OBSERVED.name, since) if each.key == stream.encode()]

    async def rows(self, stream: str, count: int) -> Sequence[Sequence[Any]]:
        """Once there are `count` stored points of the stream: (values, cluster_id, request_id, batch_id, source)."""
        sql = (
            "SELECT values, cluster_id, request_id, batch_id, source FROM points WHERE stream = {stream:String} "
            "ORDER BY source_partition, source_offset, batch_index"
        )

        def read() -> Sequence[Sequence[Any]]:
            return self.tables.rows(sql, {"stream": stream})

        await until(lambda: asyncio.to_thread(lambda: len(read()) >= count))
        return read()


@dataclass
class Socket:
    """A client of WS /ws/stream that keeps what it was not asked for yet."""

    connection: websockets.ClientConnection
    kept: list[Json]

    async def send(self, **message: Any) -> None:
        await self.connection.send(json.dumps(message))

    async def next(self, kind: str, test: Callable[[Json], bool] = lambda _: True) -> Json:
        """The next message of that type that passes the test."""
        held = next((message for message in self.kept if message["type"] == kind and test(message)), None)
        if held is not None:
            self.kept.remove(held)
            return held
        async with asyncio.timeout(30):
            while True:
                message: Json = json.loads(await self.connection.recv())
                if message["type"] == kind and test(message):
                    return message
                self.kept.append(message)


async def until(condition: Callable[[], Any], seconds: float = 60) -> None:
    """Asks again and again, since the far side tells nobody."""
    async with asyncio.timeout(seconds):
        while not await condition():  # noqa: ASYNC110
            await asyncio.sleep(0.1)
