"""`WS /ws/stream`: points in one by one or in batches, their results, and the stream's updates, on one socket.

A client that sends a thousand points a second does not make a thousand records: points that arrive within 5 ms of each
other and share a stream and a dimension become one batch, learned in the order they came.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import msgspec
import numpy as np
from fastapi import APIRouter
from starlette.websockets import WebSocket

from ingest_api.clustering import answers
from ingest_api.clustering.bodies import Config, check_config, check_points, check_stream
from ingest_api.clustering.door import ClusteringDoor, door_of
from ingest_api.clustering.submit import Work, answered, once_key, send
from ingest_api.inquiry import Inquiry
from ingest_api.live.subscription import interests_in
from ingest_api.live.websocket import Connection, Gone, refuse, serve, welcome
from ingest_api.problems import FieldError, Invalid, Problem, problem_of
from pipeline.clock import iso
from pipeline.errors import Failure
from schemas.clustering.limits import DEFAULT_STREAM, MAX_METADATA_BYTES
from schemas.clustering.points import PointsAnswered

log = logging.getLogger("thalweg.live")
router = APIRouter(tags=["clustering"])

LINGER_SECONDS = 0.005
MAX_LINGERING = 1000
MAX_UNDER_WAY = 64
ANSWER_MS = 30_000
READ, WRITE = "clustering:read", "clustering:write"

Message = dict[str, Any]


@router.websocket("/ws/stream")
async def stream_socket(websocket: WebSocket) -> None:
    """`stream` in the query names the stream, unless a message names another; `token` or `api_key` the caller."""
    principal = await welcome(websocket, WRITE)
    if principal is None:
        return
    name = websocket.query_params.get("stream", DEFAULT_STREAM)
    try:
        door = door_of(websocket)
        if errors := check_stream(name):
            raise Invalid(errors)
        told = interests_in(("clusters", "drift"), (name,)) if principal.may(READ) else frozenset()
    except Problem as problem:
        await refuse(websocket, problem, 1008)
        return
    inflow = Inflow(door, name)
    try:
        await serve(websocket, principal, inflow.handle, told, permission=WRITE)
    finally:
        await inflow.close()


@dataclass
class Drop:
    """One point of a client, not yet sent."""

    number: int
    point_id: Any
    values: list[float]
    metadata: dict[str, str]


@dataclass
class Pool:
    """Points that linger together."""

    connection: Connection | None = None
    drops: list[Drop] = field(default_factory=list)
    metadata_bytes: int = 0
    timer: asyncio.TimerHandle | None = None


class Inflow:
    """What one connection sends."""

    def __init__(self, door: ClusteringDoor, stream: str) -> None:
        self._door, self._stream = door, stream
        self._numbers = 0
        self._pools: dict[tuple[str, int], Pool] = {}
        self._under_way: set[asyncio.Task[None]] = set()
        self._places = asyncio.Semaphore(MAX_UNDER_WAY)

    async def handle(self, connection: Connection, message: Message) -> None:
        """Raises Problem for a message that cannot be used at all."""
        kind = message.get("type")
        self._numbers += 1
        try:
            if kind == "point":
                await self._point(connection, message)
            elif kind == "batch":
                await self._batch(connection, message)
            elif kind == "status_request":
                await self._status(connection, message)
            else:
                known = "point, batch, status_request, subscribe, unsubscribe, ping"
                raise Invalid([FieldError("type", f"one of {known}")])
        except Problem as problem:
            await connection.send_error(problem, **_named(message))

    async def close(self) -> None:
        """What lingers is sent; nobody waits for its answers any more."""
        for key, pool in list(self._pools.items()):
            if pool.connection is not None:
                self._pour(pool.connection, key)
        for task in list(self._under_way):
            task.cancel()
        await asyncio.gather(*self._under_way, return_exceptions=True)

    async def _point(self, connection: Connection, message: Message) -> None:
        stream = self._stream_of(message)
        points, errors = check_points([message.get("data")], "data", 1)  # type: ignore[list-item]
        metadata = _metadata(message, errors)
        if errors or points is None:
            raise Invalid([FieldError(error.field.replace("data.0", "data"), error.message) for error in errors])
        key = stream, points.shape[1]
        pool = self._pools.setdefault(key, Pool(connection))
        pool.drops.append(Drop(self._numbers, message.get("point_id"), message["data"], metadata))
        pool.metadata_bytes += sum(len(name) + len(value) + 6 for name, value in metadata.items())
        full = len(pool.drops) >= MAX_LINGERING or pool.metadata_bytes > MAX_METADATA_BYTES // 2
        if full:
            self._pour(connection, key)
            await self._room()
        elif pool.timer is None:
            pool.timer = asyncio.get_running_loop().call_later(LINGER_SECONDS, self._pour, connection, key)

    def _pour(self, connection: Connection, key: tuple[str, int]) -> None:
        pool = self._pools.pop(key, None)
        if pool is None:
            return
        if pool.timer is not None:
            pool.timer.cancel()
        points = np.array([drop.values for drop in pool.drops], np.float64)
        work = Work(key[0], points, connection.principal.id, metadata=_together(pool.drops))
        self._start(connection, work, pool.drops, {})

    async def _batch(self, connection: Connection, message: Message) -> None:
        stream = self._stream_of(message)
        points, errors = check_points(message.get("data", []), "data", self._door.max_points)
        metadata = _metadata(message, errors)
        label, key = message.get("batch_id"), message.get("idempotency_key")
        for name, value in (("batch_id", label), ("idempotency_key", key)):
            if value is not None and not (isinstance(value, str) and 0 < len(value) <= 128):
                errors.append(FieldError(name, "A string of 1 to 128 characters"))
        config = _config(message, errors)
        if errors or points is None:
            raise Invalid(errors)
        principal = connection.principal.id
        once = None if key is None else once_key(principal, key)
        record = None if config is None else config.record()
        # What the client sent before this batch must be learned before it.
        for pool in [pool for pool in self._pools if pool[0] == stream]:
            self._pour(connection, pool)
        await self._room()
        self._start(connection, Work(stream, points, principal, once, label, record, metadata), [], _named(message))

    async def _status(self, connection: Connection, message: Message) -> None:
        stream = self._stream_of(message)
        entry = await self._door.streams.read(stream)
        now = self._door.clock()
        data = answers.algorithm_status(entry, stream, entry is not None, self._door.streams.rate(stream), now)
        await connection.send({"type": "algorithm_status", "data": data, "timestamp": iso(now)})

    def _start(self, connection: Connection, work: Work, drops: Sequence[Drop], named: Message) -> None:
        # Sent here, not in the task: the order of messages is the order of records.
        try:
            sent: Inquiry | Problem = send(self._door, work)
        except Failure as failure:
            sent = problem_of(failure)
        task = asyncio.create_task(self._see_through(connection, work, sent, drops, named))
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)

    async def _room(self) -> None:
        """Reads on only when not too much is under way: the client is slowed down by its own socket."""
        async with self._places:
            pass

    async def _see_through(
        self, connection: Connection, work: Work, sent: Inquiry | Problem, drops: Sequence[Drop], named: Message
    ) -> None:
        with suppress(Gone):
            try:
                inquiry = _taken(sent)
                async with self._places:
                    replies = await answered(inquiry, ANSWER_MS)
                result = answers.points_result(work, replies, self._door.codec)
                told = [self._door.codec.decode(reply.answer, PointsAnswered) for reply in replies if reply.answer]
                labels = [label for answer in told for label in answer.labels]
                similarities = np.concatenate([answer.similarities for answer in told])
                data = _points(drops, labels, similarities) if drops else result | named | {"labels": labels}
                data |= {"request_id": inquiry.request_id, "stream": work.stream, "positions": result["positions"]}
                await connection.send({"type": "result", "data": data, "timestamp": iso(self._door.clock())})
            except (Problem, Failure) as error:
                extra = {"point_ids": [drop.point_id for drop in drops]} if drops else named
                await connection.send_error(problem_of(error), **extra)

    def _stream_of(self, message: Message) -> str:
        name = message.get("stream", self._stream)
        if not isinstance(name, str):
            raise Invalid([FieldError("stream", "A string")])
        if errors := check_stream(name):
            raise Invalid(errors)
        return name


def _taken(sent: Inquiry | Problem) -> Inquiry:
    if isinstance(sent, Problem):
        raise sent
    return sent


def _named(message: Message) -> Message:
    """What the client calls its message by."""
    return {name: message[name] for name in ("point_id", "batch_id") if name in message}


def _points(drops: Sequence[Drop], labels: Sequence[int], similarities: Any) -> Message:
    return {
        "points": [
            {
                "point_id": drop.point_id,
                "number": drop.number,
                "cluster_id": label if label >= 0 else None,
                "is_outlier": label < 0,
                "similarity": float(similarity),
            }
            for drop, label, similarity in zip(drops, labels, similarities, strict=True)
        ]
    }


def _together(drops: Sequence[Drop]) -> dict[str, str]:
    """The metadata of several points as that of one batch: itself where all agree, else a JSON list in `points`."""
    first = drops[0].metadata
    if all(drop.metadata == first for drop in drops):
        return first
    return {"points": msgspec.json.encode([drop.metadata for drop in drops]).decode()}


def _metadata(message: Message, errors: list[FieldError]) -> dict[str, str]:
    given = message.get("metadata")
    if given is None:
        return {}
    if not isinstance(given, dict) or len(msgspec.json.encode(given)) > MAX_METADATA_BYTES // 2:
        errors.append(FieldError("metadata", f"An object of at most {MAX_METADATA_BYTES // 2} bytes"))
        return {}
    return {
        str(name): value if isinstance(value, str) else msgspec.json.encode(value).decode()
        for name, value in given.items()
    }


def _config(message: Message, errors: list[FieldError]) -> Config | None:
    given = message.get("clustering_config")
    if given is None:
        return None
    try:
        config = msgspec.convert(given, Config)
    except msgspec.ValidationError as error:
        errors.append(FieldError("clustering_config", str(error)))
        return None
    errors += check_config(config)
    return config
