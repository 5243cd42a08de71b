"""The whole road of an event: how fast, and how long an answer takes.

    PYTHONPATH=. python bench/road.py [--json FILE]

Starts a stack of its own, without rate limits, on free ports and empty data; everything shares this machine.

REST: requests one after the other (latency) and eight at a time (points a second), at three sizes. Straight to Kafka:
one-point messages of twenty streams, from the first produced to the last committed by the workers, beside a bare
consumer of the same records in the same run.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import numpy as np

from pipeline.clock import now
from pipeline.kafka.browse import committed, ends, stretch
from pipeline.kafka.flight import Flight
from pipeline.kafka.producer import Producer
from pipeline.settings import KafkaSettings
from schemas.catalogue import WORKERS_GROUP
from schemas.clustering.points import PointsObserved
from schemas.clustering.topics import OBSERVED
from schemas.codec import Codec
from tests.ports import free_ports

STREAMS = 20
SIZES = {1: 300, 100: 150, 10_000: 24}
"""Points a request -> requests of the latency run."""


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--messages", type=int, default=50_000)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    with stack() as (url, kafka):
        rows = await measure(url, kafka, arguments.messages)
    if arguments.json:
        about = {"machine": platform.platform(), "cores": os.cpu_count(), "python": platform.python_version()}
        arguments.json.write_text(json.dumps(about | {"rows": rows}, indent=2))


@contextmanager
def stack() -> Iterator[tuple[str, KafkaSettings]]:
    """`thalweg up` with nothing else in it; its URL and its broker."""
    api, broker, controller, warehouse = free_ports(4)
    with tempfile.TemporaryDirectory() as folder:
        flags = (
            *("--data-dir", folder, "--api-port", str(api), "--kafka-port", str(broker)),
            *("--kafka-controller-port", str(controller), "--warehouse-port", str(warehouse)),
        )
        clean = {name: value for name, value in os.environ.items() if not name.startswith("THALWEG_")}
        up = subprocess.Popen(
            (sys.executable, "-m", "pipeline.cli", "up", *flags), env={**clean, "THALWEG_RATE_LIMITS": "off"}
        )
        try:
            yield f"http://127.0.0.1:{api}", KafkaSettings(f"127.0.0.1:{broker}")
        finally:
            up.send_signal(signal.SIGINT)
            up.wait(30)


async def measure(url: str, kafka: KafkaSettings, messages: int) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    async with httpx.AsyncClient(base_url=url, timeout=60) as client:
        await until_healthy(client)
        login = {"username": "admin", "password": "admin123"}
        token = (await client.post("/auth/login", data=login)).raise_for_status().json()["access_token"]
        client.headers["Authorization"] = f"Bearer {token}"
        for size, count in SIZES.items():
            rows.append(await rest(client, size, count))
            print(_line(rows[-1]), flush=True)
    rows.append(await straight(kafka, messages))
    print(_line(rows[-1]), flush=True)
    return rows


async def until_healthy(client: httpx.AsyncClient) -> None:
    async with asyncio.timeout(180):
        while True:
            try:
                if (await client.get("/health")).status_code == httpx.codes.OK:
                    return
            except httpx.TransportError:
                pass
            await asyncio.sleep(0.5)


async def rest(client: httpx.AsyncClient, size: int, count: int) -> dict[str, Any]:
    rng = np.random.default_rng(1)
    bodies = [json.dumps({"points": rng.normal(size=(size, 3)).tolist(), "stream": f"bench-{size}"}) for _ in range(8)]
    await post(client, bodies[0])
    waits = []
    for number in range(count):
        begun = time.perf_counter()
        await post(client, bodies[number % 8])
        waits.append((time.perf_counter() - begun) * 1000)
    begun = time.perf_counter()
    await asyncio.gather(*(several(client, bodies, count // 8) for _ in range(8)))
    rate = count // 8 * 8 * size / (time.perf_counter() - begun)
    p50, p99 = np.percentile(waits, [50, 99])
    return {"road": f"REST, {size:,} points a request", "points/s": rate, "p50 ms": p50, "p99 ms": p99}


async def several(client: httpx.AsyncClient, bodies: Sequence[str], count: int) -> None:
    for number in range(count):
        await post(client, bodies[number % len(bodies)])


async def post(client: httpx.AsyncClient, body: str) -> None:
    answer = await client.post("/api/v1/process_points", content=body)
    if answer.status_code == httpx.codes.TOO_MANY_REQUESTS:
        raise SystemExit("the limits stand in the way: start the stack with THALWEG_RATE_LIMITS=off")
    answer.raise_for_status()


async def straight(kafka: KafkaSettings, count: int) -> dict[str, Any]:
    codec, rng = Codec(), np.random.default_rng(1)
    keys = [f"bench-one-{number % STREAMS}" for number in range(1000)]
    values = [codec.encode(PointsObserved(key, now(), 3, rng.normal(size=3))) for key in keys]
    before = {partition: mark.high for partition, mark in ends(kafka, OBSERVED.name).items()}
    producer, flight = Producer(kafka, "bench"), Flight()
    begun = time.perf_counter()
    for number in range(count):
        producer.launch(flight, OBSERVED.name, values[number % 1000], key=keys[number % 1000].encode())
    await flight.landed()
    produced = time.perf_counter() - begun
    await producer.close()
    goal = {partition: mark.high for partition, mark in ends(kafka, OBSERVED.name).items()}
    while not _committed(kafka, goal):  # noqa: ASYNC110  (nothing tells of a commit)
        await asyncio.sleep(0.1)
    took = time.perf_counter() - begun
    begun = time.perf_counter()
    read = sum(1 for _ in stretch(kafka, OBSERVED.name, before))
    bare = time.perf_counter() - begun
    return {
        "road": f"straight to Kafka, {count:,} one-point messages",
        "messages/s": count / took,
        "produced/s": count / produced,
        "read bare/s": read / bare,
        "of bare": (count / took) / (read / bare),
    }


def _committed(kafka: KafkaSettings, goal: Mapping[int, int]) -> bool:
    done = committed(kafka, WORKERS_GROUP, OBSERVED.name)
    return all((done[partition] or 0) >= end for partition, end in goal.items())


def _line(row: dict[str, Any]) -> str:
    figures = (
        f"{name} {value:,.2f}" if value < 100 else f"{name} {value:,.0f}" for name, value in list(row.items())[1:]
    )
    return f"{row['road']:48s} {'   '.join(figures)}"


if __name__ == "__main__":
    asyncio.run(main())
