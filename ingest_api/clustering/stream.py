"""`WS /ws/stream`: points in one by one or in batches, their results, and the stream's updates, on one socket.

A client that sends a thousand points a second does not make a thousand records: points that arrive within 5 ms of each
other and share a stream and a dimension become one batch, learned in the order they came.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

import numpy as np
from fastapi import APIRouter
from starlette.websockets import WebSocket

from ingest_api.clustering import answers
from ingest_api.clustering.checks import check_label, check_metadata, check_point, check_points, check_stream
from ingest_api.clustering.door import ClusteringDoor, door_of
from ingest_api.clustering.figures import status_of
from ingest_api.clustering.pools import Drop, Pools, together
from ingest_api.clustering.reading import read_config
from ingest_api.clustering.submit import Work, answered, once_key, send
from ingest_api.inquiry import Inquiry
from ingest_api.live.greeting import refuse, welcome
from ingest_api.live.subscription import MAX_STREAMS, interests_in
from ingest_api.live.websocket import Connection, Gone, serve
from ingest_api.problems import FieldError, Invalid, Problem, problem_of
from pipeline.clock import iso
from pipeline.errors import Failure
from schemas.clustering.limits import DEFAULT_STREAM

router = APIRouter(tags=["clustering"])

MAX_UNDER_WAY = 64
"""Batches of one connection that wait for their answers; more are not read: the client is slowed by its own socket."""
ANSWER_MS = 30_000
READ, WRITE = "clustering:read", "clustering:write"
KINDS = ("clusters", "drift")
"""What whoever writes to a stream is told of it, if it may read."""

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
        told = interests_in(KINDS, (name,)) if principal.may(READ) else frozenset()
    except Problem as problem:
        await refuse(websocket, problem, 1008)
        return
    inflow = Inflow(door, name)
    try:
        await serve(websocket, principal, inflow.handle, told, permission=WRITE)
    finally:
        await inflow.close()


class Inflow:
    """What one connection sends. Messages are handled one after the other; their answers come when they come."""

    def __init__(self, door: ClusteringDoor, stream: str) -> None:
        self._door, self._stream = door, stream
        self._connection: Connection | None = None
        self._messages = 0
        self._written = {stream}
        self._pools = Pools(self._pour)
        self._under_way: set[asyncio.Task[None]] = set()

    async def handle(self, connection: Connection, message: Message) -> None:
        """What is wrong with a message is told to the client."""
        self._connection = connection
        self._messages += 1
        kind = message.get("type")
        try:
            if kind == "point":
                await self._point(connection, message)
            elif kind == "batch":
                await self._batch(connection, message)
            elif kind == "status_request":
                await self._status(connection, message)
            else:
                known = "point, batch, status_request, subscribe, unsubscribe, auth, ping"
                raise Invalid([FieldError("type", f"Must be one of {known}")])
        except (Problem, Failure) as error:
            await connection.send_error(problem_of(error), **_named(message))

    async def close(self) -> None:
        """What lingers is sent; nobody waits for its answers any more."""
        self._pools.empty()
        for task in list(self._under_way):
            task.cancel()
        await asyncio.gather(*self._under_way, return_exceptions=True)

    async def _point(self, connection: Connection, message: Message) -> None:
        name = self._stream_of(message)
        point, errors = check_point(message.get("data"), "data")
        metadata, wrong = check_metadata(message.get("metadata"))
        if errors or wrong or point is None:
            raise Invalid(errors + wrong)
        stream = await self._door.key_to_write(connection.websocket, connection.principal, name)
        await self._hear(connection, name)
        await self._room()
        self._pools.add(stream, Drop(self._messages, message.get("point_id"), point, metadata))

    async def _batch(self, connection: Connection, message: Message) -> None:
        work = self._work(connection, message)
        key = await self._door.key_to_write(connection.websocket, connection.principal, work.stream)
        await self._hear(connection, work.stream)
        work = replace(work, stream=key)
        await self._room()
        self._pools.empty(work.stream)  # what the client sent before this batch is learned before it
        self._start(connection, work, (), _named(message))

    def _work(self, connection: Connection, message: Message) -> Work:
        stream, principal = self._stream_of(message), connection.principal.id
        points, errors = check_points(message.get("data"), "data", self._door.max_points)
        metadata, wrong = check_metadata(message.get("metadata"))
        config, wrong_config = read_config(message.get("clustering_config"))
        label, key = message.get("batch_id"), message.get("idempotency_key")
        errors += wrong + wrong_config
        errors += [] if label is None else check_label(label, "batch_id")
        errors += [] if key is None else check_label(key, "idempotency_key")
        if errors or points is None:
            raise Invalid(errors)
        once = None if key is None else once_key(principal, key)
        return Work(stream, points, principal, once, label, None if config is None else config.record(), metadata)

    async def _status(self, connection: Connection, message: Message) -> None:
        key, entry = await self._door.read(connection.principal, self._stream_of(message))
        data = await status_of(connection.websocket, entry, key)
        await connection.send({"type": "algorithm_status", "data": data, "timestamp": iso(self._door.clock())})

    async def _hear(self, connection: Connection, name: str) -> None:
        """Its first words to a stream subscribe to it, as those in the address did: once, so that who unsubscribes
        stays so, and for as many streams as one may subscribe to."""
        if name in self._written or len(self._written) >= MAX_STREAMS or not connection.principal.may(READ):
            return
        self._written.add(name)
        with suppress(Invalid):
            await connection.hear_too(KINDS, name)

    async def _room(self) -> None:
        """Waits until one more may be under way."""
        if len(self._under_way) + len(self._pools) >= MAX_UNDER_WAY:
            self._pools.empty()
        while len(self._under_way) >= MAX_UNDER_WAY:
            await asyncio.wait(self._under_way, return_when=asyncio.FIRST_COMPLETED)

    def _pour(self, stream: str, drops: Sequence[Drop]) -> None:
        assert self._connection is not None, "nothing lingers before the first message"
        points = np.concatenate([drop.values for drop in drops])
        work = Work(stream, points, self._connection.principal.id, metadata=together(drops))
        self._start(self._connection, work, drops, {})

    def _start(self, connection: Connection, work: Work, drops: Sequence[Drop], named: Message) -> None:
        # Sent here, not in the task: the order of messages is the order of records.
        try:
            sent: Inquiry | Failure = send(self._door, work)
        except Failure as failure:
            sent = failure
        task = asyncio.create_task(self._see_through(connection, work, sent, drops, named))
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)

    async def _see_through(
        self, connection: Connection, work: Work, sent: Inquiry | Failure, drops: Sequence[Drop], named: Message
    ) -> None:
        with suppress(Gone):
            try:
                if isinstance(sent, Failure):
                    raise sent
                told = answers.told_of(await answered(sent, ANSWER_MS), self._door.codec)
                data = _points(work, told, drops) if drops else _batch(work, told, named)
                data["request_id"] = sent.request_id
                await connection.send({"type": "result", "data": data, "timestamp": iso(self._door.clock())})
            except (Problem, Failure) as error:
                extra = {"point_ids": [drop.point_id for drop in drops]} if drops else named
                await connection.send_error(problem_of(error), **extra)

    def _stream_of(self, message: Message) -> str:
        name = message.get("stream", self._stream)
        errors = check_stream(name) if isinstance(name, str) else [FieldError("stream", "Must be a string")]
        if errors:
            raise Invalid(errors)
        return str(name)


def _named(message: Message) -> Message:
    """What the client calls its message by."""
    return {name: message[name] for name in ("point_id", "batch_id") if name in message}


def _batch(work: Work, told: answers.Told, named: Message) -> Message:
    return answers.points_result(work, told) | {"labels": told.labels} | named


def _points(work: Work, told: answers.Told, drops: Sequence[Drop]) -> Message:
    """The result of points that came one by one."""
    return {
        "stream": work.stream,
        "points": [_point(*each) for each in zip(drops, told.labels.tolist(), told.similarities.tolist(), strict=True)],
        "positions": told.positions,
    }


def _point(drop: Drop, label: int, similarity: float) -> Mapping[str, Any]:
    return {
        "point_id": drop.point_id,
        "number": drop.number,
        "cluster_id": label if label >= 0 else None,
        "is_outlier": label < 0,
        "similarity": similarity,
    }
