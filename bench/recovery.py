"""How soon the system is there, what it weighs, and how soon a killed worker's streams go on.

    python -m bench.recovery [--quick] [--json FILE]

Start: from the command `thalweg up` until /health says that all is well, first over an empty folder (Kafka's jars and
the compiled kernel are there), then over the same one again. Memory: resident, a minute of light load later.

Recovery: a point a partition every quarter of a second, over REST; a worker is killed with SIGKILL, its supervisor
starts it again after a fifth of a second, and in each partition the first answer to a point sent after the kill counts.
The slowest partition counts: it was the dead worker's, for membership is static.
"""

from __future__ import annotations

import asyncio
import os
import signal
import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import httpx

from bench.sheet import Row, finish, parser
from bench.stack import Stack, running
from pipeline.cli.status import memory
from pipeline.embedded import runstate
from schemas.position import Position

WORKERS = 2
GOAL_SECONDS = 5.0
EVERY_SECONDS = 0.25
SETTLE_SECONDS = 8.0
PATIENCE_SECONDS = 60.0
CANDIDATES = 64
"""Streams that are tried, to find one of each partition."""


def main() -> None:
    arguments = parser(__doc__ or "").parse_args()
    rows: list[Row] = []
    recoveries: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        for start in ("from nothing", "again, over the same data"):
            began = time.monotonic()
            with running("--workers", str(WORKERS), folder=Path(folder)) as stack:
                rows.append(Row(f"thalweg up, {start}: all is well", time.monotonic() - began, "s"))
                rest = 5 if arguments.quick else 60
                recoveries += asyncio.run(recovered(stack, Path(folder), rest))
                if start != "from nothing":
                    rows += weights(Path(folder))
            if arguments.quick:
                break
    rows += told(recoveries)
    finish("Start, memory, recovery", rows, arguments)


def told(recoveries: Sequence[float]) -> list[Row]:
    """The middle and the longest of them."""
    what = f"kill -9 of one of {WORKERS} workers: first result of its partitions"
    figures = {"median": statistics.median(recoveries), "longest": max(recoveries)}
    goal = f"{GOAL_SECONDS:g} s"
    return [
        Row(f"{what}, {name} of {len(recoveries)}", value, "s", goal=goal, reached=value <= GOAL_SECONDS)
        for name, value in figures.items()
    ]


def weights(folder: Path) -> list[Row]:
    """Resident memory by part."""
    held = {name: memory(pid) or 0 for name, pid in pids(folder).items()}
    rows = [Row(f"memory of {name}", size / 2**20, "MiB") for name, size in held.items() if size]
    return [*rows, Row("memory of all parts", sum(held.values()) / 2**20, "MiB")]


async def recovered(stack: Stack, folder: Path, seconds: float) -> list[float]:
    """Kills each worker once, after so many seconds of load; how long each of them was missed."""
    found = []
    limits = httpx.Limits(max_connections=1000)  # none waits here for another that waits for the dead worker
    async with httpx.AsyncClient(
        base_url=stack.url, headers=stack.headers, timeout=PATIENCE_SECONDS, limits=limits
    ) as http:
        probe = Probe(http, await streams_by_partition(http))
        probing = asyncio.create_task(probe.run())
        await asyncio.sleep(seconds)
        for ordinal in range(WORKERS):
            found.append(await probe.missed(worker_pid(folder, ordinal)))
            await asyncio.sleep(SETTLE_SECONDS)
        probing.cancel()
        await asyncio.gather(probing, return_exceptions=True)
    return found


def worker_pid(folder: Path, ordinal: int) -> int:
    pid = pids(folder).get(f"worker-{ordinal}")
    if pid is None:
        raise SystemExit(f"worker-{ordinal} does not run")
    return pid


def pids(folder: Path) -> dict[str, int | None]:
    """Of all parts."""
    run = runstate.read(folder)
    return {part.name: part.pid for part in run.parts} if run else {}


async def streams_by_partition(http: httpx.AsyncClient) -> dict[int, str]:
    """A stream of each partition that any of the candidates falls into."""
    found: dict[int, str] = {}
    for number in range(CANDIDATES):
        place = await post(http, f"recovery-{number}")
        found.setdefault(place.partition, f"recovery-{number}")
    return found


async def post(http: httpx.AsyncClient, stream: str) -> Position:
    """One point, answered; where it stands."""
    body = {"points": [[1.0, 2.0]], "stream": stream, "timeout": int(PATIENCE_SECONDS * 1000)}
    answer = await http.post("/api/v1/process_points", json=body)
    return Position.parse(answer.raise_for_status().json()["positions"][0])


class Probe:
    """A point a partition every quarter of a second, none waiting for another."""

    def __init__(self, http: httpx.AsyncClient, streams: dict[int, str]) -> None:
        self._http, self._streams = http, streams
        self._answers: dict[int, list[tuple[float, float]]] = {partition: [] for partition in streams}

    async def run(self) -> None:
        async with asyncio.TaskGroup() as under_way:
            while True:
                for partition in self._streams:
                    under_way.create_task(self._ask(partition))
                await asyncio.sleep(EVERY_SECONDS)

    async def missed(self, pid: int) -> float:
        """Kills the process; seconds until every partition has answered what was asked after that."""
        killed = time.monotonic()
        os.kill(pid, signal.SIGKILL)
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not all(self._first(partition, killed) for partition in self._streams):  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        return max(self._first(partition, killed) for partition in self._streams) - killed

    def _first(self, partition: int, killed: float) -> float:
        """When the first of these was answered; 0 as long as none is."""
        return min((answered for asked, answered in self._answers[partition] if asked > killed), default=0.0)

    async def _ask(self, partition: int) -> None:
        asked = time.monotonic()
        await post(self._http, self._streams[partition])
        self._answers[partition].append((asked, time.monotonic()))


if __name__ == "__main__":
    main()
