"""River's Page-Hinkley test, carried out in place on standardised values."""

from __future__ import annotations

import math
from typing import Any

from pipeline.clustering.adaptive.distance import compiled, inlined

SETTLED = 200
"""Values a detector learns from before it may speak (Page-Hinkley's min_instances)."""
ALLOWANCE = 0.5
"""Deviations above the mean that are no change (its delta)."""
LIMIT = 40.0
"""Sum of deviations at which a change is called (its threshold)."""
CLIP = 4.0
"""No single value counts for more deviations than this."""


@inlined
def standardised(value: float, detector: Any) -> float:
    """(value - mean) / deviation, within +-4, by the running moments before this value; then lets it into them.

    The moments run at max(1/n, 1/2000), and the deviation is at least .01.
    """
    detector["seen"] += 1
    rate = max(1.0 / detector["seen"], 5e-4)
    difference = value - detector["mean"]
    score = difference / math.sqrt(detector["variance"] + 1e-4)
    detector["mean"] += rate * difference
    detector["variance"] = (1.0 - rate) * (detector["variance"] + rate * difference * difference)
    return float(min(CLIP, max(-CLIP, score)))


@inlined
def page_hinkley(score: float, detector: Any) -> float:
    """One step of Page's test for an increase (Page 1954; river.drift.PageHinkley, mode "up", alpha 1).

    sum += score - mean of the scores - delta; returns sum - its minimum, 0 while fewer than min_instances were seen.
    """
    seen = detector["seen"]
    detector["standard_mean"] += (score - detector["standard_mean"]) / seen
    detector["sum"] += score - detector["standard_mean"] - ALLOWANCE
    detector["run"] += 1
    if detector["sum"] < detector["minimum"] or seen == 1:
        detector["minimum"] = detector["sum"]
        detector["run"] = 0
    return float(detector["sum"] - detector["minimum"]) if seen >= SETTLED else 0.0


@compiled
def forget(detector: Any) -> None:
    detector["seen"], detector["run"] = 0, 0
    detector["mean"], detector["variance"], detector["standard_mean"] = 0.0, 0.0, 0.0
    detector["sum"], detector["minimum"] = 0.0, 0.0
