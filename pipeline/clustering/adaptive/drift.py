"""Abrupt change, seen in two signals by River's Page-Hinkley test, carried out in place."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from pipeline.clustering.adaptive.distance import compiled
from pipeline.clustering.adaptive.maintain import traffic_at
from pipeline.clustering.adaptive.state import AFFECTED, PROMOTED, Alarms, State

SETTLED = 200
"""Values a detector learns from before it may speak (Page-Hinkley's min_instances)."""
ALLOWANCE = 0.5
"""Deviations above the mean that are no change (its delta)."""
LIMIT = 40.0
"""Sum of deviations at which a change is called (its threshold)."""
CLIP = 4.0
"""No single value counts for more deviations than this."""
PACE = 3.0
"""Factor on the learning rate after a drift; it fades by half every 138 points."""


@compiled
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


@compiled
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
def watch(t: int, signal: int, value: float, state: State, alarms: Alarms) -> None:
    """Show a value to a detector; when it calls a change, note it, start all detectors anew and learn faster.

    severity = statistic / (run (4 - delta)): the mean rise per point since the change began, of the most there can be.
    """
    detector = state.detectors[signal]
    statistic = page_hinkley(standardised(value, detector), detector)
    if statistic <= LIMIT:
        return
    row = alarms.raised[0]
    alarms.at[row], alarms.signal[row], alarms.statistic[row] = t, signal, statistic
    alarms.severity[row] = min(1.0, statistic / (max(1, detector["run"]) * (CLIP - ALLOWANCE)))
    name_affected(t, state, alarms.affected[row])
    alarms.raised[0] += 1
    for k in range(state.detectors.size):
        forget(state.detectors[k])
    totals = state.totals[0]
    totals["drifts"] += 1
    totals["last_drift"] = t
    totals["pace"] = PACE


@compiled
def forget(detector: Any) -> None:
    detector["seen"], detector["run"] = 0, 0
    detector["mean"], detector["variance"], detector["standard_mean"] = 0.0, 0.0, 0.0
    detector["sum"], detector["minimum"] = 0.0, 0.0


@compiled
def name_affected(t: int, state: State, ids: Any) -> None:
    """Write up to AFFECTED ids: the clusters whose share of the last ~64 points differs most from their share of all,
    by a tenth at least."""
    slots, totals = state.slots, state.totals[0]
    change = np.zeros(totals["used"])
    recent = 1e-9
    for s in range(totals["used"]):
        if slots.kind[s] != 0:
            recent += traffic_at(t, s, state)
    for s in range(totals["used"]):
        if slots.kind[s] == PROMOTED:
            change[s] = abs(traffic_at(t, s, state) / recent - slots.weight[s] / totals["mass"])
    ids[:] = 0
    for place in range(min(AFFECTED, change.size)):
        worst = np.argmax(change)
        if change[worst] < 0.1:
            return
        ids[place] = slots.identity[worst]
        change[worst] = -1.0
