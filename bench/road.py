"""The whole road of an event: how many points a second, and how long an answer takes.

    python -m bench.road [--quick] [--json FILE]

API, worker, archive, broker, warehouse and the client share this machine. A request is answered when its points are in
the log, learned, and the reply is back; the rows are awaited in the warehouse afterwards.

Latency: single points at 50 requests a second, sent when they are due and not when the last answer is in, so that a
slow answer delays no other (no coordinated omission). Throughput: eight requests under way at a time.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import time
from collections.abc import Sequence

import httpx
import numpy as np
import websockets

from bench.sheet import Row, finish, parser
from bench.stack import Stack, running

SIZES = (1, 100, 10_000)
RATE = 50
AT_ONCE = 8
DIMENSION = 3
GOAL_POINTS, GOAL_P50, GOAL_P99 = 100_000, 10, 40


def main() -> None:
    arguments = parser(__doc__ or "").parse_args()
    with running() as stack:
        rows = asyncio.run(measured(stack, arguments))
    finish("The whole road", rows, arguments)


async def measured(stack: Stack, arguments: argparse.Namespace) -> list[Row]:
    seconds = 4 if arguments.quick else 20
    limits = httpx.Limits(max_connections=100, max_keepalive_connections=100, keepalive_expiry=2)
    async with httpx.AsyncClient(base_url=stack.url, timeout=60, headers=stack.headers, limits=limits) as client:
        await paced(client, 2)
        rows = latency("REST, single points, 50 requests/s", await paced(client, seconds))
        for size in SIZES:
            count = {1: 80, 100: 40, 10_000: 8}[size] * (1 if arguments.quick else 8)
            rows += await throughput(client, size, count)
        rows += latency("WebSocket, single points, one after the other", await socket(stack, 20 * seconds))
    return rows


def latency(what: str, waits: Sequence[float]) -> list[Row]:
    p50, p99 = (float(value) for value in np.percentile(waits, [50, 99]))
    return [
        Row(f"{what}: p50", p50, "ms", goal=f"{GOAL_P50} ms", reached=p50 <= GOAL_P50),
        Row(f"{what}: p99", p99, "ms", goal=f"{GOAL_P99} ms", reached=p99 <= GOAL_P99),
    ]


async def paced(client: httpx.AsyncClient, seconds: float) -> list[float]:
    """Milliseconds from when each request was due to its answer."""
    bodies = _bodies(1)
    begun = time.perf_counter()

    async def one(number: int) -> float:
        due = begun + number / RATE
        await asyncio.sleep(due - time.perf_counter())
        await post(client, bodies[number % len(bodies)])
        return (time.perf_counter() - due) * 1000

    return await asyncio.gather(*(one(number) for number in range(int(seconds * RATE))))


async def throughput(client: httpx.AsyncClient, size: int, count: int) -> list[Row]:
    bodies, waits = _bodies(size), []

    async def several() -> None:
        for number in range(count // AT_ONCE):
            sent = time.perf_counter()
            await post(client, bodies[number % len(bodies)])
            waits.append((time.perf_counter() - sent) * 1000)

    begun = time.perf_counter()
    await asyncio.gather(*(several() for _ in range(AT_ONCE)))
    rate = len(waits) * size / (time.perf_counter() - begun)
    p50, p99 = np.percentile(waits, [50, 99])
    what = f"REST, {size:,} points a request, {AT_ONCE} at a time"
    goal, reached = (f"{GOAL_POINTS:,}/s", rate >= GOAL_POINTS) if size == max(SIZES) else (None, None)
    return [
        Row(what, rate, "points/s", goal=goal, reached=reached),
        Row(f"{what}: p50", float(p50), "ms"),
        Row(f"{what}: p99", float(p99), "ms"),
    ]


async def post(client: httpx.AsyncClient, body: str) -> None:
    answer = await client.post("/api/v1/process_points", content=body)
    answer.raise_for_status()


async def socket(stack: Stack, count: int) -> list[float]:
    """Milliseconds from each point sent over WS /ws/stream to its result."""
    url = f"{stack.url.replace('http', 'ws')}/ws/stream?stream=bench-socket"
    points, waits = np.random.default_rng(1).normal(size=(count, DIMENSION)).tolist(), []
    async with websockets.connect(url, additional_headers=stack.headers) as connection:
        await connection.recv()
        for point in points:
            sent = time.perf_counter()
            await connection.send(json.dumps({"type": "point", "data": point}))
            while json.loads(await connection.recv())["type"] != "result":
                pass
            waits.append((time.perf_counter() - sent) * 1000)
    return waits


def _bodies(size: int) -> list[str]:
    rng = np.random.default_rng(size)
    points = [rng.normal(size=(size, DIMENSION)).tolist() for _ in range(8)]
    return [json.dumps({"points": each, "stream": f"bench-{size}"}) for each in points]


if __name__ == "__main__":
    main()
