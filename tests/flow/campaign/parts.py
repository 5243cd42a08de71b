"""The processes of a system under test. Whatever ends is started again, as a supervisor would; what was done to each,
and what it did by itself, is noted."""

from __future__ import annotations

import asyncio
import contextlib
import re
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import psutil

from ingest_api.accounts.keys import make
from pipeline.embedded.kafka import probe
from pipeline.embedded.warehouse.process import WarehouseProcess
from pipeline.kafka.provision import provision
from pipeline.lifeline import Lifeline
from pipeline.settings import KafkaSettings, WarehouseSettings
from pipeline.warehouse.retention import Retention
from pipeline.warehouse.tables import bring_up_to_date
from tests.flow.campaign.plan import Blow, Kind, Plan
from tests.flow.child import ACCOUNT_SECRETS, Child
from tests.flow.stack import ADMIN_PASSWORD, JWT_SECRETS
from tests.ports import free_ports

LOOK_SECONDS = 0.05
STOP_SECONDS = 25.0
WEIGH_SECONDS = 1.0
PASSWORD = "campaign"
_ERROR = re.compile(r" (ERROR|CRITICAL) (?!aiokafka)|^\w[\w.]*(Error|Exception)\b")
"""A line of a log, or the end of a traceback. Who cannot reach a broker that was killed says so all the time."""


@dataclass(frozen=True, slots=True)
class Ended:
    """A process that ended without having been made to."""

    name: str
    at: float
    status: int
    last_line: str


@dataclass(frozen=True, slots=True)
class Struck:
    """A blow as it fell: when, and whether its victim was at work then."""

    blow: Blow
    at: float
    at_work: bool


@dataclass(slots=True)
class Part:
    """One process, kept running. `stays_away`: seconds before it is started again, once."""

    name: str
    child: Child
    is_ready: Callable[[], bool]
    stays_away: float = 0.0
    expected: bool = False
    up: bool = False
    frozen: int = 0
    ended: list[Ended] = field(default_factory=list)
    starts: list[tuple[float, float]] = field(default_factory=list)
    """(when launched, when ready), seconds since the epoch."""

    @property
    def runs(self) -> bool:
        return self.child.runs

    @property
    def ready(self) -> bool:
        return self.runs and self.up and not self.frozen

    async def keep(self) -> None:
        """For ever: launched, and again when it has ended."""
        while True:
            self.expected = self.up = False
            launched, self.frozen = time.time(), 0
            self.child.launch()
            await until(lambda: not self.runs or self.is_ready())
            if self.runs:
                self.up = True
                self.starts.append((launched, time.time()))
            await until(lambda: not self.runs)
            if not self.expected:
                self.ended.append(Ended(self.name, time.time(), self.child.process.wait(), _last_line(self.child)))
                self.stays_away = 1.0
            away, self.stays_away = self.stays_away, 0.0
            await asyncio.sleep(away)

    def kill(self, seconds: float) -> None:
        if self.runs:
            self.expected, self.stays_away = True, seconds
            self.child.process.kill()

    async def freeze(self, seconds: float) -> None:
        process = self.child.process
        if self.runs:
            self.frozen += 1
            self.child.freeze()
            await asyncio.sleep(seconds)
            if self.child.process is process:  # else it was killed meanwhile
                self.frozen -= 1
                if not self.frozen and self.runs:
                    self.child.thaw()

    async def restart(self) -> str | None:
        """Asked to end and ready again; what went wrong, if anything did."""
        process = self.child.process
        if self.runs:
            self.expected = True
            process.terminate()
        wrong = None
        try:
            async with asyncio.timeout(STOP_SECONDS):
                await until(lambda: process.poll() is not None or self.frozen > 0)
                if self.frozen:
                    return None
        except TimeoutError:
            wrong = f"{self.name} did not end within {STOP_SECONDS:g} s of SIGTERM"
            process.kill()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(STOP_SECONDS):
                await until(lambda: self.ready)
        return wrong


async def until(condition: Callable[[], bool]) -> None:
    """Looks again and again, from a thread, since processes tell nobody of what becomes of them."""
    while not await asyncio.to_thread(condition):  # noqa: ASYNC110
        await asyncio.sleep(LOOK_SECONDS)


def _last_line(child: Child) -> str:
    """The last that tells of an error of its own, if any does: a framework may log its own ending behind it."""
    lines = child.since_launch().decode("utf-8", "replace").strip().splitlines()
    errors = [line for line in lines if _ERROR.search(line)]
    return (errors or lines or [""])[-1][-400:]


class System:
    """Broker, warehouse, workers, archive and API processes over a folder of their own."""

    def __init__(self, plan: Plan, folder: Path) -> None:
        self.plan, self.folder = plan, folder
        self.lifeline = Lifeline()
        broker, controller, warehouse, *api = free_ports(3 + plan.apis)
        self.kafka = KafkaSettings(f"127.0.0.1:{broker}")
        self.warehouse = WarehouseProcess(
            folder / "warehouse",
            warehouse,
            {"THALWEG_WAREHOUSE_USER": "thalweg", "THALWEG_WAREHOUSE_PASSWORD": PASSWORD},
        )
        self.key, kept = make("campaign", ["read", "write"])
        self._environ = {
            "THALWEG_KAFKA_BOOTSTRAP": self.kafka.bootstrap,
            "THALWEG_CLICKHOUSE_URL": f"http://thalweg:{PASSWORD}@127.0.0.1:{warehouse}/campaign",
            "THALWEG_DATA_DIR": str(folder),
            "THALWEG_ADMIN_PASSWORD": ADMIN_PASSWORD,
            "THALWEG_JWT_SECRETS": JWT_SECRETS,
            "THALWEG_ACCOUNT_SECRETS": ACCOUNT_SECRETS,
            "THALWEG_API_KEYS": str(kept),
            "THALWEG_RATE_LIMITS": "off",
            "THALWEG_WORKER_SESSION_SECONDS": str(plan.session),
            "THALWEG_WORKER_STATIC": str(plan.static),
            "THALWEG_ARCHIVE_SESSION_MS": str(plan.session * 1000),
            **({"THALWEG_ARCHIVE_INSTANCE": "archive-0"} if plan.static else {}),
        }
        self.tables = WarehouseSettings.from_environment(self._environ)
        self.urls = [f"http://127.0.0.1:{port}" for port in api]
        self.parts: dict[str, Part] = {}
        self.struck: list[Struck] = []
        self.memory: dict[str, tuple[int, int]] = {}
        self.wrong: list[str] = []
        self._tasks: list[asyncio.Task[None]] = []
        self._make_parts(broker, controller, api)

    def _make_parts(self, broker: int, controller: int, apis: Sequence[int]) -> None:
        ports = ("--port", str(broker), "--controller-port", str(controller))
        kafka = ("run", "--data-dir", str(self.folder / "kafka"), *ports)
        self._add("broker-0", "pipeline.embedded.kafka", *kafka, ready=partial(probe.answers, "127.0.0.1", broker, 0.2))
        self._add("archive-0", "pipeline.warehouse.archive")
        for ordinal in range(self.plan.workers):
            self._add(f"worker-{ordinal}", "topologies", "--ordinal", str(ordinal))
        for ordinal, port in enumerate(apis):
            told = {"THALWEG_API_PORT": str(port), "THALWEG_API_ORDINAL": str(ordinal)}
            self._add(f"api-{ordinal}", "ingest_api", environ=told)

    def _add(
        self,
        name: str,
        module: str,
        *arguments: str,
        ready: Callable[[], bool] | None = None,
        environ: Mapping[str, str] | None = None,
    ) -> None:
        told = self._environ | dict(environ or {})
        child = Child(module, arguments, told, self.folder / f"{name}.log", self.lifeline)
        self.parts[name] = Part(name, child, ready or child.is_ready)

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """All of it started and ready inside; nothing left of it after."""
        try:
            self.warehouse.start()
            self._keep("broker-0")
            await self.ready("broker-0")
            await asyncio.to_thread(provision, self.kafka)
            await asyncio.to_thread(bring_up_to_date, self.tables, Retention())
            for name in self.parts:
                if name != "broker-0":
                    self._keep(name)
            await self.ready()
            yield
        finally:
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
            for part in self.parts.values():
                with contextlib.suppress(AssertionError):
                    part.child.kill()
            self.warehouse.kill()
            self.lifeline.close()

    async def ready(self, *names: str, seconds: float = 180.0) -> None:
        """Returns once these, else all, are ready."""
        async with asyncio.timeout(seconds):
            await until(lambda: all(self.parts[name].ready for name in names or self.parts))

    async def strike(self, blow: Blow) -> None:
        """Returns when it is over; a killed process may still be starting then."""
        part = self.parts[blow.name]
        self.struck.append(Struck(blow, time.time(), part.ready))
        if blow.kind is Kind.KILL:
            part.kill(blow.seconds)
        elif blow.kind is Kind.FREEZE:
            await part.freeze(blow.seconds)
        else:
            for name, each in self.parts.items():
                if name.startswith(blow.target):
                    wrong = await each.restart()
                    if wrong:
                        self.wrong.append(wrong)

    @contextlib.asynccontextmanager
    async def weighed(self) -> AsyncIterator[None]:
        """Inside, the memory of every process is looked at once a second: `memory` has, of each, what it held when it
        was first seen ready and the most since, in the life in which that grew most."""
        weighing = asyncio.create_task(self._weigh())
        try:
            yield
        finally:
            weighing.cancel()
            await asyncio.gather(weighing, return_exceptions=True)

    async def _weigh(self) -> None:
        lives: dict[tuple[str, int], tuple[int, int]] = {}
        while True:
            for name, part in self.parts.items():
                with contextlib.suppress(psutil.Error):
                    if part.ready:
                        pid = part.child.process.pid
                        held = int(psutil.Process(pid).memory_info().rss)
                        first, most = lives.get((name, pid), (held, held))
                        lives[name, pid] = first, max(most, held)
                        least, greatest = self.memory.get(name, (held, held))
                        if max(most, held) - first >= greatest - least:
                            self.memory[name] = lives[name, pid]
            await asyncio.sleep(WEIGH_SECONDS)

    def _keep(self, name: str) -> None:
        self._tasks.append(asyncio.create_task(self.parts[name].keep(), name=f"keep {name}"))
