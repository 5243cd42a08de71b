"""Abrupt change, seen in two signals: points outside all clusters, and points that sit oddly in theirs."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.clustering.adaptive.assign import MOST_MISFIT, misfit
from pipeline.clustering.adaptive.detector import ALLOWANCE, CLIP, LIMIT, forget, page_hinkley, standardised
from pipeline.clustering.adaptive.distance import Vector, compiled, inlined
from pipeline.clustering.adaptive.maintain import traffic_at
from pipeline.clustering.adaptive.search import effective_threshold, nearest_promoted, reach_of
from pipeline.clustering.adaptive.state import AFFECTED, FREE, PROMOTED, SIGNALS, Rules, State

OUTLIERS, FIT = range(len(SIGNALS))
PACE = 3.0
"""Factor on the learning rate after a drift; it fades by half every 138 points."""


@compiled
def strangeness(x: Vector, state: State, rules: Rules) -> tuple[float, float]:
    """(stranger, misfit) of a point that no promoted cluster took: 1 if it lies outside all of them by the wide radius,
    else 0; and its misfit to the nearest.

    The wide radius, since the natural one is an estimate: when that shrinks, points are left over though the stream
    goes on as before.
    """
    totals = state.totals[0]
    s, square = nearest_promoted(x, state.slots, state.center, totals["used"], state.scale.precision)
    if s < 0:
        return 1.0, MOST_MISFIT
    reach = reach_of(totals["wide_radius"], effective_threshold(rules.threshold, 1.0))
    return 1.0 if square > reach else 0.0, misfit(square, s, state)


@inlined
def watch(signal: int, value: float, state: State) -> float:
    """Show a value to a detector. Returns its statistic if that calls a change, else 0."""
    detector = state.detectors[signal]
    statistic = page_hinkley(standardised(value, detector), detector)
    return statistic if statistic > LIMIT else 0.0


@compiled
def raise_alarm(t: int, signal: int, statistic: float, state: State, alarm: Any, affected: NDArray[np.int64]) -> None:
    """Note a change, start all detectors anew, and learn faster for a while.

    severity = statistic / (run (4 - delta)): the mean rise per point since the change began, of the most there can be.
    """
    alarm["at"], alarm["signal"], alarm["statistic"] = t, signal, statistic
    alarm["severity"] = min(1.0, statistic / (max(1, state.detectors[signal]["run"]) * (CLIP - ALLOWANCE)))
    name_affected(t, state, affected)
    for k in range(state.detectors.size):
        forget(state.detectors[k])
    totals = state.totals[0]
    totals["drifts"] += 1
    totals["last_drift"] = t
    totals["pace"] = PACE


@compiled
def name_affected(t: int, state: State, ids: NDArray[np.int64]) -> None:
    """Write up to AFFECTED ids into the zeros of `ids`: of the clusters whose share of the last ~64 points differs most
    from their share of all, by a tenth at least.
    """
    slots, totals = state.slots, state.totals[0]
    change = np.zeros(totals["used"])
    recent = 1e-9
    for s in range(totals["used"]):
        if slots[s]["kind"] != FREE:
            recent += traffic_at(t, s, state)
    for s in range(totals["used"]):
        if slots[s]["kind"] == PROMOTED:
            change[s] = abs(traffic_at(t, s, state) / recent - slots[s]["weight"] / totals["mass"])
    for place in range(min(AFFECTED, change.size)):
        worst = 0
        for s in range(1, change.size):
            if change[s] > change[worst]:
                worst = s
        if change[worst] < 0.1:
            return
        ids[place] = slots[worst]["identity"]
        change[worst] = -1.0
