"""What a worker measures of itself: batch durations in a quantile sketch, counts, memory."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import psutil
from datasketches import kll_doubles_sketch

from pipeline.clock import Clock

QUANTILES = (0.5, 0.95, 0.99)
MEMORY_AGE_SECONDS = 1.0


@dataclass
class Meter:
    """Durations since the process started. The sketch is KLL (Karnin, Lang, Liberty 2016) with k = 200: ranks are
    right within 1.7 % however many batches there were, in a few kilobytes."""

    name: str
    clock: Clock
    started_at: int = 0
    batches: int = 0
    points: int = 0
    last_ms: float | None = None
    max_ms: float | None = None
    _sum_ms: float = 0.0
    _sketch: kll_doubles_sketch = field(default_factory=lambda: kll_doubles_sketch(200))
    _memory: tuple[float, int] = (float("-inf"), 0)
    _resident: Callable[[], int] = field(default_factory=lambda: _resident_of(psutil.Process()))

    def __post_init__(self) -> None:
        self.started_at = self.started_at or self.clock()

    def note(self, milliseconds: float, points: int, batches: int = 1) -> None:
        """Batches with `points` in all took that long each."""
        self.batches += batches
        self.points += points
        self.last_ms = milliseconds
        self.max_ms = milliseconds if self.max_ms is None else max(self.max_ms, milliseconds)
        self._sum_ms += milliseconds * batches
        self._sketch.update(milliseconds if batches == 1 else np.full(batches, milliseconds))

    @property
    def mean_ms(self) -> float | None:
        return self._sum_ms / self.batches if self.batches else None

    def quantiles_ms(self) -> tuple[float | None, float | None, float | None]:
        """The 50th, 95th and 99th percentile; None before the first batch."""
        if not self.batches:
            return None, None, None
        p50, p95, p99 = (float(value) for value in self._sketch.get_quantiles(list(QUANTILES)))
        return p50, p95, p99

    @property
    def memory_bytes(self) -> int:
        """Resident set size, at most a second old."""
        at, value = self._memory
        if time.monotonic() - at > MEMORY_AGE_SECONDS:
            value = self._resident()
            self._memory = time.monotonic(), value
        return value


def _resident_of(process: psutil.Process) -> Callable[[], int]:
    return lambda: int(process.memory_info().rss)
