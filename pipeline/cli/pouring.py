"""Lines in, records out: the loop behind `thalweg produce`, at no more than the rate asked for."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import TracebackType

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn, TimeElapsedColumn
from rich.text import Text

from pipeline.cli.lines import Lines
from pipeline.cli.sheet import BadRow, Sheet
from pipeline.clock import now
from pipeline.clustering.check import check
from pipeline.errors import Failure, Misconfigured
from pipeline.kafka.producer import Producer
from pipeline.settings import KafkaSettings
from schemas.clustering.limits import MAX_CHUNK_BYTES
from schemas.clustering.points import PointsObserved
from schemas.clustering.topics import OBSERVED
from schemas.codec import Codec
from schemas.position import Position

MAX_ALOFT = 64
"""Records sent and not yet durable."""
BATCHES_A_SECOND = 5
"""Under a rate limit: smaller batches rather than a burst every few seconds."""
SHOWN_BAD_ROWS = 5
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Recipe:
    """What the records are to be. `rate` in points a second; `linger` in seconds, None waits for full batches."""

    stream: str
    batch: int
    rate: float | None = None
    linger: float | None = 1.0
    batch_id_prefix: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    source: str | None = None

    def size(self, dimension: int) -> int:
        """Points of one record: not more than a record holds, nor than a fifth of a second's worth."""
        fits = max(1, MAX_CHUNK_BYTES // (8 * max(1, dimension)))
        paced = self.batch if self.rate is None else max(1, int(self.rate / BATCHES_A_SECOND))
        return min(self.batch, fits, paced)


class Receipts:
    """What is durable. `spans` holds the first and last offset by partition."""

    def __init__(self) -> None:
        self.points = 0
        self.records = 0
        self.spans: dict[int, tuple[int, int]] = {}

    def add(self, position: Position, points: int) -> None:
        self.points += points
        self.records += 1
        first, last = self.spans.get(position.partition, (position.offset, position.offset))
        self.spans[position.partition] = min(first, position.offset), max(last, position.offset)


class Tap:
    """The moving line on a terminal: how far, how many, how fast. Nothing where nobody looks."""

    def __init__(self, console: Console, size: int | None) -> None:
        self._progress = Progress(
            TextColumn("{task.fields[points]:,} points"),
            BarColumn(),
            PointsRate(),
            TimeElapsedColumn(),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self._task = self._progress.add_task("", total=size, points=0)

    def __enter__(self) -> Tap:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def show(self, bytes_read: int, points: int) -> None:
        self._progress.update(self._task, completed=bytes_read, points=points)


class PointsRate(ProgressColumn):
    """Points a second since the start."""

    def render(self, task: Task) -> Text:
        elapsed = task.elapsed or 0.0
        return Text(f"{task.fields['points'] / elapsed:,.0f}/s" if elapsed else "")


class Pouring:
    """One run. After `run`, what happened is in its attributes."""

    def __init__(self, settings: KafkaSettings, recipe: Recipe, sheet: Sheet, lines: Lines, tap: Tap) -> None:
        self._settings, self._recipe, self._sheet, self._lines, self._tap = settings, recipe, sheet, lines, tap
        self._codec = Codec()
        self._hurry = asyncio.Event()
        self._aloft: deque[tuple[asyncio.Future[Position], int]] = deque()
        self._sent = 0
        self._begun = 0.0
        self.receipts = Receipts()
        self.bad: list[BadRow] = []
        """The first SHOWN_BAD_ROWS of them."""
        self.bad_rows = 0
        self.interrupted = False
        self.failure: Failure | None = None
        self.seconds = 0.0

    @property
    def dimension(self) -> int:
        return self._sheet.dimension

    @property
    def rows(self) -> int:
        """Read so far, without the header."""
        return self._sheet.rows

    @property
    def columns(self) -> Sequence[str]:
        return self._sheet.columns

    @property
    def stopped_by_row(self) -> bool:
        return bool(self.bad_rows) and not self._sheet.skips

    async def run(self) -> None:
        """Until the lines end, a row is bad, Ctrl-C, or the log fails, which is kept in `failure`."""
        producer = Producer(self._settings, "thalweg-produce", linger_ms=5)
        self._begun = time.monotonic()
        try:
            with self._heeding_interrupts():
                await self._pour(producer)
        except Failure as failure:
            self.failure = failure
        finally:
            await producer.close()
            self._count_landed()
            self.seconds = time.monotonic() - self._begun

    async def _pour(self, producer: Producer) -> None:
        held: list[Floats] = []
        while not (self._lines.ended or self.stopped_by_row):
            wanted = self._recipe.size(self.dimension) - sum(map(len, held))
            lines = await asyncio.to_thread(self._lines.take, wanted, self._recipe.linger)
            held.append(self._points(lines))
            lingered = len(lines) < wanted
            if lingered or sum(map(len, held)) >= self._recipe.size(self.dimension):
                await self._send(producer, held)
                held = []
            self._tap.show(self._lines.bytes_read, self._sent)
        await self._send(producer, held)
        while self._aloft:
            await self._land()

    def _points(self, lines: list[str]) -> Floats:
        points, bad = self._sheet.read(lines, final=self._lines.ended and not self.interrupted)
        self.bad_rows += len(bad)
        self.bad += bad[: max(0, SHOWN_BAD_ROWS - len(self.bad))]
        return points

    async def _send(self, producer: Producer, held: list[Floats]) -> None:
        filled = [points for points in held if len(points)]
        points = np.concatenate(filled) if filled else np.empty((0, 1))
        size = self._recipe.size(self.dimension)
        for start in range(0, len(points), size):
            chunk = points[start : start + size]
            await self._pace()
            while len(self._aloft) >= MAX_ALOFT:
                await self._land()
            future = producer.send(OBSERVED.name, self._encode(chunk), key=self._recipe.stream.encode())
            self._aloft.append((future, len(chunk)))
            self._sent += len(chunk)

    def _encode(self, points: Floats) -> bytes:
        """Raises Misconfigured for what the workers would refuse."""
        prefix = self._recipe.batch_id_prefix
        event = PointsObserved(
            stream=self._recipe.stream,
            observed_at=now(),
            dimension=points.shape[1],
            values=points.ravel(),
            batch_id=None if prefix is None else f"{prefix}:{self._sent + 1}-{self._sent + len(points)}",
            source=self._recipe.source,
            metadata=self._recipe.metadata,
        )
        refusal = check(event)
        if refusal is not None:
            raise Misconfigured(f"the workers would refuse this: {refusal.detail}")
        return self._codec.encode(event)

    async def _pace(self) -> None:
        """Waits until the points sent so far are not too many for the time gone; Ctrl-C ends the wait."""
        if self._recipe.rate is not None:
            ahead = self._begun + self._sent / self._recipe.rate - time.monotonic()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._hurry.wait(), max(0.0, ahead))

    async def _land(self) -> None:
        future, points = self._aloft[0]
        try:
            self.receipts.add(await future, points)
        finally:
            self._aloft.popleft()

    def _count_landed(self) -> None:
        """After a failure: of those behind it, the ones that are durable all the same."""
        for future, points in self._aloft:
            if future.done() and future.exception() is None:
                self.receipts.add(future.result(), points)

    @contextlib.contextmanager
    def _heeding_interrupts(self) -> Iterator[None]:
        """Ctrl-C ends the reading; what has been read is sent."""
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGINT, self._interrupt)
        try:
            yield
        finally:
            loop.remove_signal_handler(signal.SIGINT)

    def _interrupt(self) -> None:
        self.interrupted = True
        self._lines.stop()
        self._hurry.set()
