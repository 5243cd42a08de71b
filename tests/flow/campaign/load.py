"""Clients as good ones are: over REST with and without waiting, and straight to Kafka. They retry what they may."""

from __future__ import annotations

import asyncio
import math
import random
import time
from collections.abc import Sequence
from typing import Any

import httpx
import numpy as np
from numpy.typing import NDArray

from pipeline.clock import now
from pipeline.errors import Failure
from pipeline.kafka.producer import Producer
from pipeline.settings import KafkaSettings
from schemas.clustering.limits import MAX_CHUNK_BYTES, MAX_POINTS
from schemas.clustering.points import Action, PointsObserved
from schemas.clustering.topics import OBSERVED
from schemas.codec import Codec
from schemas.position import Position
from tests.flow.campaign.journal import Journal, Operation, Place, Promise, Receipt

STREAMS = 8
DIMENSION = 3
RESET_STREAM = "campaign-reset"
"""Of which nothing has a key: a reset forgets the keys of before."""
CLIENTS = {"wait": 4, "no-wait": 2, "kafka": 2}
PATIENCE_SECONDS = 120.0
"""After so long a client gives an operation up."""
REST_SECONDS = {"wait": 0.05, "no-wait": 0.1, "kafka": 0.05}
OPERATION = "operation"
CENTERS = np.random.default_rng(1).normal(0, 6, (4, DIMENSION))


class Load:
    """Runs until told to stop; then every client brings what it has begun to its end."""

    def __init__(self, journal: Journal, seed: int, urls: Sequence[str], key: str, kafka: KafkaSettings) -> None:
        self._journal, self._seed, self._urls, self._key, self._kafka = journal, seed, urls, key, kafka
        self._codec = Codec()
        self._stopping = asyncio.Event()

    def stop(self) -> None:
        self._stopping.set()

    async def run(self) -> None:
        seeds = iter(np.random.SeedSequence(self._seed).generate_state(sum(CLIENTS.values())).tolist())
        async with asyncio.TaskGroup() as clients:
            for way, count in CLIENTS.items():
                for _ in range(count):
                    one = self._kafka_client if way == "kafka" else self._rest_client
                    clients.create_task(one(way, next(seeds)))

    async def _rest_client(self, way: str, seed: int) -> None:
        chance = random.Random(seed)
        rng = np.random.default_rng(seed)
        async with httpx.AsyncClient(headers={"X-API-Key": self._key}) as http:
            while not self._stopping.is_set():
                stream, points = _batch(chance, rng, len(self._journal.operations))
                operation = self._journal.begin(
                    stream, way, keyed=chance.random() < 0.8, points=len(points), at=time.time(), parts=_parts(points)
                )
                await _Request(self._journal, operation, points, self._urls, chance).see_through(http)
                operation.ended = time.time()
                await asyncio.sleep(REST_SECONDS[way])

    async def _kafka_client(self, way: str, seed: int) -> None:
        chance, rng = random.Random(seed), np.random.default_rng(seed)
        producer = Producer(self._kafka, "campaign", timeout=30, keeps_trying=600)
        under_way: set[asyncio.Task[None]] = set()
        while not self._stopping.is_set():
            task = asyncio.create_task(self._write(producer, way, chance, rng))
            under_way.add(task)
            task.add_done_callback(under_way.discard)
            await asyncio.sleep(REST_SECONDS[way])
        await asyncio.gather(*under_way)
        await producer.close(30)

    async def _write(self, producer: Producer, way: str, chance: random.Random, rng: np.random.Generator) -> None:
        keyed = chance.random() < 0.5
        stream = f"campaign-{chance.randrange(STREAMS)}"
        if not keyed and chance.random() < 0.2:
            stream = RESET_STREAM
        operation = self._journal.begin(stream, way, keyed=keyed, points=3, at=time.time())
        operation.value = self._record(operation, chance, rng)
        deadline = time.time() + PATIENCE_SECONDS
        while time.time() < deadline:
            operation.attempts += 1
            try:
                place = await producer.send(OBSERVED.name, operation.value, key=stream.encode())
            except Failure as failure:
                operation.troubles.append(str(failure))
                if not keyed:
                    break  # it may be in the log: without an id a second one would count twice
                await asyncio.sleep(0.5)
                continue
            operation.receipts.append(Receipt(Promise.DURABLE, time.time(), [(place.partition, place.offset)]))
            break
        operation.ended = time.time()

    def _record(self, operation: Operation, chance: random.Random, rng: np.random.Generator) -> bytes:
        if not operation.keyed and operation.stream != RESET_STREAM and chance.random() < 0.04:
            return b"not avro %d" % operation.number
        if operation.stream == RESET_STREAM and chance.random() < 0.1:
            told = {OPERATION: str(operation.number)}
            event = PointsObserved(operation.stream, now(), 0, np.empty(0), action=Action.RESET, metadata=told)
        else:
            event = PointsObserved(
                operation.stream,
                now(),
                DIMENSION,
                _points(rng, operation.points).ravel(),
                batch_id=f"kafka-{operation.number}" if operation.keyed else None,
                metadata={OPERATION: str(operation.number)},
            )
        return self._codec.encode(event)


class _Request:
    """One operation over REST, until it is acknowledged or may not be repeated."""

    def __init__(
        self,
        journal: Journal,
        operation: Operation,
        points: NDArray[np.float64],
        urls: Sequence[str],
        chance: random.Random,
    ) -> None:
        self._journal, self._operation, self._urls, self._chance = journal, operation, urls, chance
        self._body: dict[str, Any] = {
            "points": points.tolist(),
            "stream": operation.stream,
            "metadata": {OPERATION: str(operation.number)},
            "timeout": chance.choice((3_000, 10_000, 20_000)),
        }

    async def see_through(self, http: httpx.AsyncClient) -> None:
        operation, deadline = self._operation, time.time() + PATIENCE_SECONDS
        first = self._chance.randrange(len(self._urls))
        while time.time() < deadline:
            url = self._urls[(first + operation.attempts) % len(self._urls)]
            operation.attempts += 1
            try:
                answer = await self._post(http, url)
            except httpx.TransportError as error:
                operation.troubles.append(type(error).__name__)
                if not operation.keyed:
                    return  # it may have been taken
                await asyncio.sleep(0.3)
                continue
            if self._settled(answer):
                return
            await asyncio.sleep(min(1.0, float(answer.headers.get("retry-after", 1))))

    async def _post(self, http: httpx.AsyncClient, url: str) -> httpx.Response:
        headers = {"Idempotency-Key": f"key-{self._operation.number}"} if self._operation.keyed else {}
        query = {"wait": "false"} if self._operation.way == "no-wait" else {}
        seconds = self._body["timeout"] / 1000 + 12
        return await http.post(
            f"{url}/api/v1/process_points", params=query, headers=headers, json=self._body, timeout=seconds
        )

    def _settled(self, answer: httpx.Response) -> bool:
        """Whether nothing more is to be done."""
        operation, at = self._operation, time.time()
        if not answer.headers.get("content-type", "").startswith("application/json"):
            self._journal.wrong.append(
                f"{operation.name} was answered {answer.status_code} without JSON: {answer.text!r}"
            )
            return not operation.keyed
        body = answer.json()
        if answer.status_code == httpx.codes.OK:
            told = Receipt(
                Promise.ANSWERED,
                at,
                _places(body["positions"]),
                body["request_id"],
                body["duplicate"],
                len(body["outliers"]),
            )
            operation.receipts.append(told)
            return True
        if answer.status_code == httpx.codes.ACCEPTED:
            operation.receipts.append(Receipt(Promise.ACCEPTED, at, _places(body["positions"]), body["request_id"]))
            return True
        if answer.status_code == httpx.codes.UNPROCESSABLE_ENTITY:
            operation.receipts.append(Receipt(Promise.ANSWERED, at, (), refused=True))
            return True
        if answer.status_code == httpx.codes.SERVICE_UNAVAILABLE and "retry-after" in answer.headers:
            return self._put_off(body["error"], at)
        self._journal.wrong.append(f"{operation.name} was answered {answer.status_code}: {answer.text[:300]}")
        return True

    def _put_off(self, error: dict[str, Any], at: float) -> bool:
        operation, details = self._operation, error["details"] or {}
        operation.troubles.append(f"503 {error['message'][:40]}")
        places = _places(details.get("positions", ()))
        if places and len(places) == operation.parts:
            operation.receipts.append(Receipt(Promise.LATE, at, places, details["request_id"]))
            return not operation.keyed or self._chance.random() < 0.5  # the others ask again, with their key
        return not operation.keyed


def _batch(chance: random.Random, rng: np.random.Generator, begun: int) -> tuple[str, NDArray[np.float64]]:
    """A stream and (n, D) points; now and then so many that they become several records, or of another dimension than
    the stream's, which the worker refuses."""
    draw = chance.random()
    if draw < 0.004:
        return "campaign-large", rng.normal(size=(9000, 8)).round(3)
    stream = f"campaign-{chance.randrange(STREAMS)}"
    if draw < 0.014 and begun > 200:
        return stream, rng.normal(size=(1, 9))
    return stream, _points(rng, chance.randint(1, 6))


def _points(rng: np.random.Generator, count: int) -> NDArray[np.float64]:
    """Around a few centres; one in forty far off."""
    points = CENTERS[rng.integers(len(CENTERS), size=count)] + rng.normal(size=(count, DIMENSION))
    strays = rng.random(count) < 1 / 40
    points[strays] = rng.normal(0, 100, (int(strays.sum()), DIMENSION))
    return points


def _parts(points: NDArray[np.float64]) -> int:
    """As the door splits a batch."""
    count, dimension = (int(size) for size in points.shape)
    rows = max(1, min(MAX_POINTS, MAX_CHUNK_BYTES // (8 * dimension)))
    return math.ceil(count / rows)


def _places(positions: Sequence[str]) -> list[Place]:
    parsed = [Position.parse(text) for text in positions]
    return [(position.partition, position.offset) for position in parsed]
