"""The whole road of an event: how many points a second, and how long an answer takes.

    python -m bench.road [--quick] [--json FILE]

API, worker, archive, broker, warehouse and the client share this machine. A request is answered when its points are in
the log, learned, and the reply is back; the rows are awaited in the warehouse afterwards.

Latency: single points at 50 requests a second, sent when they are due and not when the last answer is in, so that a
slow answer delays no other (no coordinated omission). Throughput: eight requests under way at a time.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Sequence
from contextlib import closing

import numpy as np
import websockets

from bench.callers import Callers
from bench.sheet import Row, finish, parser
from bench.stack import Stack, running

COUNTS = {1: 80, 100: 40, 10_000: 8}
"""Requests a round, by points a request."""
RATE = 50
AT_ONCE = 8
DIMENSION = 3
GOAL_POINTS, GOAL_P50, GOAL_P99 = 100_000, 10, 40


def main() -> None:
    arguments = parser(__doc__ or "").parse_args()
    seconds = 4 if arguments.quick else 20
    with running() as stack:
        with closing(Callers(stack.url, stack.headers)) as callers:
            rows = rest(callers, seconds, 1 if arguments.quick else 8)
        rows += latency("WebSocket, single points, one after the other", asyncio.run(socket(stack, 20 * seconds)))
    finish("The whole road", rows, arguments)


def rest(callers: Callers, seconds: int, rounds: int) -> list[Row]:
    single = caller(callers, 1)
    callers.paced(single, 2 * RATE, RATE)
    rows = latency("REST, single points, 50 requests/s", callers.paced(single, seconds * RATE, RATE))
    for size, count in COUNTS.items():
        rows += throughput(callers, size, count * rounds)
    return rows


def latency(what: str, waits: Sequence[float]) -> list[Row]:
    p50, p99 = np.percentile(waits, [50, 99]).tolist()
    return [
        Row(f"{what}: p50", p50, "ms", goal=f"{GOAL_P50} ms", reached=p50 <= GOAL_P50),
        Row(f"{what}: p99", p99, "ms", goal=f"{GOAL_P99} ms", reached=p99 <= GOAL_P99),
    ]


def throughput(callers: Callers, size: int, count: int) -> list[Row]:
    begun = time.perf_counter()
    waits = callers.at_once(caller(callers, size), count, AT_ONCE)
    rate = len(waits) * size / (time.perf_counter() - begun)
    p50, p99 = np.percentile(waits, [50, 99]).tolist()
    what = f"REST, {size:,} points a request, {AT_ONCE} at a time"
    goal, reached = (f"{GOAL_POINTS:,}/s", rate >= GOAL_POINTS) if size == max(COUNTS) else (None, None)
    return [
        Row(what, rate, "points/s", goal=goal, reached=reached),
        Row(f"{what}: p50", p50, "ms"),
        Row(f"{what}: p99", p99, "ms"),
    ]


def caller(callers: Callers, size: int) -> Callable[[int], None]:
    """Posts the body of a number."""
    rng = np.random.default_rng(size)
    points = [rng.normal(size=(size, DIMENSION)).tolist() for _ in range(8)]
    bodies = [json.dumps({"points": each, "stream": f"bench-{size}"}) for each in points]

    def post(number: int) -> None:
        callers.post("/api/v1/process_points", bodies[number % len(bodies)])

    return post


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


if __name__ == "__main__":
    main()
