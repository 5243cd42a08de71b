"""A worker's figures: exact where counted, within the sketch's error where estimated."""

from __future__ import annotations

import random

import psutil
import pytest

from pipeline.telemetry import Meter


@pytest.fixture
def meter() -> Meter:
    return Meter("worker-0", lambda: 42)


def test_before_the_first_batch_nothing_is_made_up(meter: Meter) -> None:
    assert (meter.started_at, meter.batches, meter.points) == (42, 0, 0)
    assert (meter.last_ms, meter.max_ms, meter.mean_ms) == (None, None, None)
    assert meter.quantiles_ms() == (None, None, None)


def test_counts_sums_and_extremes_are_exact(meter: Meter) -> None:
    for milliseconds, points in ((2.0, 10), (8.0, 1), (5.0, 4)):
        meter.note(milliseconds, points)
    assert (meter.batches, meter.points) == (3, 15)
    assert (meter.last_ms, meter.max_ms, meter.mean_ms) == (5.0, 8.0, 5.0)


def test_quantiles_are_right_within_the_sketchs_error(meter: Meter) -> None:
    durations = [float(n) for n in range(100_000)]
    random.Random(1).shuffle(durations)
    for milliseconds in durations:
        meter.note(milliseconds, 1)
    for found, rank in zip(meter.quantiles_ms(), (0.5, 0.95, 0.99), strict=True):
        assert found is not None
        assert abs(found / 100_000 - rank) < 0.0266  # twice what holds with 99 %: the sketch is random


def test_memory_is_what_the_system_says(meter: Meter) -> None:
    assert meter.memory_bytes == pytest.approx(psutil.Process().memory_info().rss, rel=0.2)


def test_memory_is_asked_for_at_most_once_a_second() -> None:
    asked: list[int] = []

    def resident() -> int:
        asked.append(1)
        return 7

    meter = Meter("worker-0", lambda: 42, _resident=resident)
    assert [meter.memory_bytes for _ in range(100)] == [7] * 100
    assert len(asked) < 10
