"""`thalweg demo`: a real data set through the real road, watched live, and measured against the truth at its end."""

from __future__ import annotations

import asyncio
import json
import signal
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Any

import numpy as np
import typer
from rich.live import Live

from pipeline.cli.api import Api, Credential
from pipeline.cli.broker import hush
from pipeline.cli.drawing import console
from pipeline.cli.live import Board
from pipeline.cli.options import (
    DEFAULT_API_URL,
    DEFAULT_BOOTSTRAP,
    ApiUrl,
    Bootstrap,
    check_stream,
    kafka_settings,
)
from pipeline.cli.streaming import OUTLIER, UNLABELLED, Labels, over_kafka, over_rest
from pipeline.learning.agreement import adjusted_rand, purity
from pipeline.learning.datasets import Dataset, load
from schemas.clustering.limits import MAX_POINTS

EXIT_INTERRUPTED = 130
LINE_SECONDS = 2.0
SETTLE_SECONDS = 5.0
"""How long the last live events may take after the last answer."""


class Via(StrEnum):
    REST = "rest"
    KAFKA = "kafka"


class Data(StrEnum):
    SHUTTLE = "shuttle"
    SEGMENTS = "segments"


@dataclass(frozen=True, slots=True)
class Defaults:
    """`batch` keeps a whole run within the 100 requests a minute that one caller has."""

    batch: int
    speed: float


DEFAULTS = {Data.SHUTTLE: Defaults(1000, 2000), Data.SEGMENTS: Defaults(50, 200)}


def demo(
    data: Annotated[Data, typer.Argument(help="Which data set.")] = Data.SHUTTLE,
    via: Annotated[Via, typer.Option(help="Through the API, or straight to Kafka.")] = Via.REST,
    stream: Annotated[
        str | None, typer.Option("--stream", "-s", help="Else demo-DATA-N, the first that is free.", show_default=False)
    ] = None,
    speed: Annotated[
        float | None, typer.Option(help="Points a second; 0 sends as fast as it goes.", min=0, show_default=False)
    ] = None,
    batch: Annotated[
        int | None, typer.Option(help="Points of one request.", min=1, max=MAX_POINTS, show_default=False)
    ] = None,
    url: ApiUrl = DEFAULT_API_URL,
    bootstrap: Bootstrap = DEFAULT_BOOTSTRAP,
    user: Annotated[str, typer.Option(help="Who logs in, without an API key.")] = "admin",
    password: Annotated[
        str, typer.Option(envvar="THALWEG_ADMIN_PASSWORD", help="The user's.", show_default="the development one")
    ] = "admin123",
    api_key: Annotated[str | None, typer.Option(envvar="THALWEG_API_KEY", help="Instead of user and password.")] = None,
) -> None:
    """Stream a real data set with known labels, and watch it being clustered.

    shuttle: 49,097 points of 9 numbers, 25 s at 2,000 a second; segments: 2,310 of 18, 12 s at 200 a second. Clusters,
    outliers and drift are those that the API's event stream tells. At the end, the label that each point got when it
    came is compared with the true one. The API's limit of 100 requests a minute is kept.

    Examples:

    **thalweg demo** (what `thalweg up` runs)

    **thalweg demo segments --via kafka --speed 0**

    **thalweg demo --url https://thalweg.example --api-key ncs_...**
    """
    hush()
    if stream is not None:
        check_stream(stream)
    dataset, defaults = load(data.value), DEFAULTS[data]
    plan = Plan(dataset, via, batch or defaults.batch, defaults.speed if speed is None else speed, stream)
    show = Show(plan, url, bootstrap, Credential(user, password, api_key))
    asyncio.run(show.run())
    if show.interrupted:
        raise typer.Exit(EXIT_INTERRUPTED)


@dataclass(frozen=True, slots=True)
class Plan:
    dataset: Dataset
    via: Via
    batch: int
    speed: float
    stream: str | None


class Show:
    """One performance."""

    def __init__(self, plan: Plan, url: str, bootstrap: str, credential: Credential) -> None:
        self._plan, self._url, self._bootstrap, self._credential = plan, url, bootstrap, credential
        self._stream = ""
        self._labels: Labels = np.full(len(plan.dataset.points), UNLABELLED, np.int64)
        points, dimension = plan.dataset.points.shape
        self._board = Board(f"{plan.dataset.name}: {plan.dataset.about}, {points:,} × {dimension}", points)
        self._console = console()
        self._connected, self._news = asyncio.Event(), asyncio.Event()
        self.interrupted = False

    async def run(self) -> None:
        """Raises a Failure that says what to do."""
        async with Api(self._url, self._credential, self._note) as api:
            self._stream = self._plan.stream or await free_name(api, self._plan.dataset.name)
            self._board.title += f", stream {self._stream}"
            async with self._watching(api), self._drawing():
                self._board.start()
                await self._until_interrupted(self._send(api))
                await self._settle()
        for line in summary(self._plan.dataset, self._board, self._labels, self._stream, self._url):
            self._console.print(line, soft_wrap=True, markup=False)

    async def _send(self, api: Api) -> None:
        plan = self._plan
        if plan.via is Via.REST:
            await over_rest(api, self._stream, plan.dataset.points, self._labels, plan.batch, plan.speed, self._sent)
        else:
            settings = kafka_settings(self._bootstrap)
            await over_kafka(
                settings, self._stream, plan.dataset.points, self._labels, plan.batch, plan.speed, self._sent
            )

    async def _until_interrupted(self, work: Coroutine[Any, Any, None]) -> None:
        loop = asyncio.get_running_loop()
        task = loop.create_task(work)

        def interrupt() -> None:
            self.interrupted = True
            task.cancel()

        loop.add_signal_handler(signal.SIGINT, interrupt)
        try:
            with suppress(asyncio.CancelledError):
                await task
        finally:
            loop.remove_signal_handler(signal.SIGINT)

    async def _settle(self) -> None:
        """The last events may be behind the last answer."""
        known = int((self._labels != UNLABELLED).sum())
        with suppress(TimeoutError):
            async with asyncio.timeout(SETTLE_SECONDS):
                while self._board.processed < known:
                    self._news.clear()
                    await self._news.wait()

    @asynccontextmanager
    async def _watching(self, api: Api) -> AsyncIterator[None]:
        """Events reach the board from here on, until the end."""
        watching = asyncio.create_task(self._watch(api))
        connected = asyncio.create_task(self._connected.wait())
        try:
            await asyncio.wait([watching, connected], timeout=10, return_when=asyncio.FIRST_COMPLETED)
            if watching.done():
                watching.result()
            yield
        finally:
            for task in (watching, connected):
                task.cancel()
            await asyncio.gather(watching, connected, return_exceptions=True)

    async def _watch(self, api: Api) -> None:
        async for event in api.events(self._stream):
            self._connected.set()
            self._news.set()
            self._board.take(event.event, json.loads(event.data).get("data", {}))

    @asynccontextmanager
    async def _drawing(self) -> AsyncIterator[None]:
        if self._console.is_terminal:
            with Live(self._board, console=self._console, refresh_per_second=5):
                yield
            return
        self._console.print(self._board.title, soft_wrap=True, markup=False)
        lines = asyncio.create_task(self._tell_lines())
        try:
            yield
        finally:
            lines.cancel()
            self._console.print(self._board.line(), soft_wrap=True, markup=False)

    async def _tell_lines(self) -> None:
        told: tuple[int, str] | None = None
        while True:
            await asyncio.sleep(LINE_SECONDS)
            news = self._board.processed, self._board.note
            if news != told:
                told = news
                self._console.print(self._board.line(), soft_wrap=True, markup=False)

    def _sent(self, count: int) -> None:
        self._board.sent = count
        self._board.note = ""

    def _note(self, text: str) -> None:
        self._board.note = text


async def free_name(api: Api, dataset: str) -> str:
    """demo-DATA-N with the first N that no stream has."""
    taken = await api.streams()
    return next(name for number in range(1, len(taken) + 2) if (name := f"demo-{dataset}-{number}") not in taken)


def summary(dataset: Dataset, board: Board, labels: Labels, stream: str, url: str) -> list[str]:
    """What came of it, and where to look next. Agreement is of the points that were labelled."""
    told = labels != UNLABELLED
    truth, given = dataset.truth[told], labels[told]
    if not len(given):
        return [f"nothing was clustered; stream {stream}"]
    outliers = int((given == OUTLIER).sum())
    biggest = np.bincount(truth).max() / len(truth)
    drifts = f", at point {', '.join(f'{it.at_point:,}' for it in board.drifts)}" if board.drifts else ""
    return [
        f"{len(given):,} points of {dataset.points.shape[1]} numbers in {board.seconds:.1f} s, "
        f"{len(given) / board.seconds:,.0f} points/s, stream {stream}",
        f"{len(board.clusters)} clusters at the end, {len(set(given.tolist()) - {OUTLIER})} in all; "
        f"{outliers:,} outliers ({outliers / len(given):.1%}); {len(board.drifts)} drifts{drifts}",
        f"beside the {len(dataset.classes)} true classes: adjusted Rand index {adjusted_rand(truth, given):.3f}, "
        f"purity {purity(truth, given):.3f} (one cluster for all: {biggest:.3f})",
        "each point counts with the label it got when it came; outliers count as one group",
        f"look again: curl -H 'Authorization: Bearer …' '{url}/api/v1/clusters_summary?stream={stream}', "
        f"or thalweg tail clusters.updated.v1 -b -s {stream}",
    ]
