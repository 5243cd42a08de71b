"""A stream as it is learned, on the terminal: what the live events say, kept and drawn."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from rich.console import Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from pipeline.cli.drawing import printable, table

SHOWN_CLUSTERS = 15
SHOWN_DRIFTS = 4
SPARKS = "▁▂▃▄▅▆▇█"
SPARK_WIDTH = 24
HEALTH = {"healthy": "green", "warning": "yellow", "critical": "red"}


@dataclass(slots=True)
class ClusterRow:
    """The last that was told of a cluster; `growth` has the points it won between one status and the next."""

    size: int = 0
    quality: float | None = None
    confidence: float | None = None
    health: str | None = None
    drift: float | None = None
    seen: int = 0
    growth: deque[int] = field(default_factory=lambda: deque(maxlen=SPARK_WIDTH))


@dataclass(frozen=True, slots=True)
class Drift:
    at_point: int
    severity: float
    signal: str


class Board:
    """`take` what the event stream brings, `draw` when it is time. Times are seconds of `clock`."""

    def __init__(self, title: str, total: int, clock: Callable[[], float] = time.monotonic) -> None:
        self.title, self._total, self._clock = title, total, clock
        self._begun = clock()
        self._clusters: dict[int, ClusterRow] = {}
        self._status: Mapping[str, Any] = {}
        self.drifts: list[Drift] = []
        self.sent = 0
        self.note = ""
        """Why nothing moves, if nothing does."""

    @property
    def processed(self) -> int:
        return int(self._status.get("total_points_processed") or 0)

    @property
    def outliers(self) -> int:
        return int(self._status.get("outliers_detected") or 0)

    @property
    def outlier_share(self) -> float:
        return self.outliers / self.processed if self.processed else 0.0

    @property
    def clusters(self) -> Mapping[int, ClusterRow]:
        return self._clusters

    @property
    def seconds(self) -> float:
        return self._clock() - self._begun

    def start(self) -> None:
        """Time is counted from here."""
        self._begun = self._clock()

    def take(self, kind: str, data: Mapping[str, Any]) -> None:
        """One event. Kinds that are not shown are passed over."""
        if kind == "cluster_update":
            row = self._clusters.setdefault(data["cluster_id"], ClusterRow())
            row.size, row.quality, row.confidence = data["size"], data["quality"], data["confidence"]
            row.health, row.drift = data["health_status"], data["drift_coefficient"]
        elif kind == "algorithm_status":
            self._status = data
            alive = set(data["cluster_ids"])
            self._clusters = {number: row for number, row in self._clusters.items() if number in alive}
            for row in self._clusters.values():
                row.growth.append(max(0, row.size - row.seen))
                row.seen = row.size
        elif kind == "drift_detection":
            self.drifts.append(Drift(data["at_point"], data["severity"], data["signal"]))
        elif kind == "gap":
            self.note = "some updates were lost on the way; the figures catch up with the next"

    def line(self) -> str:
        """The whole in one line, for where nothing can be redrawn."""
        rate = self.processed / self.seconds if self.seconds else 0.0
        return (
            f"{self.seconds:5.1f} s  {self.processed:,} of {self._total:,} points, {rate:,.0f}/s, "
            f"{len(self._clusters)} clusters, {self.outlier_share:.1%} outliers, {len(self.drifts)} drifts"
            f"{f'  ({self.note})' if self.note else ''}"
        )

    def __rich__(self) -> RenderableType:
        rows: list[RenderableType] = [Text(self.title, style="bold"), self._progress(), self._figures()]
        if self._clusters:
            rows += [Text(), self._table()]
        rows += [
            Text(f"drift at point {it.at_point:,}: severity {it.severity:.2f}, {printable(it.signal)}", style="yellow")
            for it in self.drifts[-SHOWN_DRIFTS:]
        ]
        if self.note:
            rows.append(Text(self.note, style="magenta"))
        return Group(*rows)

    def _progress(self) -> RenderableType:
        bar = Table.grid(padding=(0, 1))
        rate = self.processed / self.seconds if self.seconds else 0.0
        done = Text(f"{self.processed:,} of {self._total:,} points  {rate:,.0f}/s")
        bar.add_row(ProgressBar(total=self._total, completed=self.processed, width=40), done)
        return bar

    def _figures(self) -> Text:
        unmeasured = self._status.get("unmeasured", ())
        figures = {
            "clusters": str(len(self._clusters)),
            "outliers": f"{self.outliers:,} ({self.outlier_share:.1%})",
            "drifts": str(len(self.drifts)),
            "quality": _figure(None if "clustering_quality" in unmeasured else self._status.get("clustering_quality")),
            "stability": _figure(self._status.get("global_stability")),
            "threshold": _figure(self._status.get("dynamic_threshold")),
        }
        line = Text()
        for name, value in figures.items():
            line.append(f"{name} ", style="dim").append(f"{value}   ", style="bold")
        return line

    def _table(self) -> Table:
        drawn = table("cluster", "points", "share", "quality", "confidence", "health", "drift", "growth",
                      right=("cluster", "points", "share", "quality", "confidence", "drift"))  # fmt: skip
        ordered = sorted(self._clusters.items(), key=lambda item: -item[1].size)
        for number, row in ordered[:SHOWN_CLUSTERS]:
            health = Text(row.health or "", style=HEALTH.get(row.health or "", ""))
            share = f"{row.size / self.processed:.1%}" if self.processed else ""
            figures = (_figure(row.quality), _figure(row.confidence))
            sparks = Text(sparkline(list(row.growth)), style="cyan")
            drawn.add_row(str(number), f"{row.size:,}", share, *figures, health, _figure(row.drift), sparks)
        if len(ordered) > SHOWN_CLUSTERS:
            rest = sum(row.size for _, row in ordered[SHOWN_CLUSTERS:])
            drawn.add_row("", f"{rest:,}", f"in {len(ordered) - SHOWN_CLUSTERS} more")
        return drawn


def sparkline(values: list[int]) -> str:
    """One character a value, the highest the tallest; nothing won is a blank."""
    most = max(values, default=0)
    return "".join(SPARKS[(value * (len(SPARKS) - 1) + most - 1) // most] if value else " " for value in values)


def _figure(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"
