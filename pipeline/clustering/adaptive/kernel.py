"""The loop over a batch: the only place where points change the state."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from pipeline.clustering.adaptive.assign import assign
from pipeline.clustering.adaptive.distance import compiled, nearest_promoted, squared_distance
from pipeline.clustering.adaptive.drift import watch
from pipeline.clustering.adaptive.maintain import EVERY, maintain
from pipeline.clustering.adaptive.radius import estimate
from pipeline.clustering.adaptive.scale import rescale
from pipeline.clustering.adaptive.state import PROMOTED, RESERVOIR, Alarms, Rules, State, Trace
from pipeline.clustering.adaptive.warmup import due, replay

Points = NDArray[np.float64]
_ESTIMATE_EVERY = 1024
_AFTER_DRIFT = 512
_PACE_FADES = 0.005


@compiled
def sample(x: Points, t: int, state: State, stride: int) -> None:
    """Keep the first 128 points, then every stride-th in place of the oldest."""
    if t <= RESERVOIR or t % stride == 0:
        totals = state.totals[0]
        state.reservoir[totals["sampled"] % RESERVOIR, :] = x
        totals["sampled"] += 1


@compiled
def estimate_due(t: int, last_drift: int) -> bool:
    """At points 8, 16, 32, 64, 128, at every 1,024th, and 512 after a drift."""
    if t <= RESERVOIR:
        return t == 8 or t == 16 or t == 32 or t == 64 or t == RESERVOIR
    return t % _ESTIMATE_EVERY == 0 or (last_drift > 0 and t == last_drift + _AFTER_DRIFT)


@compiled
def learn_points(points: Points, state: State, rules: Rules, trace: Trace, alarms: Alarms) -> None:
    """Learn the points one after the other. Counts alone decide when anything happens, so that the state after n points
    does not depend on the batches they came in."""
    totals = state.totals[0]
    stride = max(1, int(math.log(2.0) / rules.decay / RESERVOIR / 2.0))
    for i in range(points.shape[0]):
        x = points[i]
        t = totals["points"] + 1
        totals["points"] = t
        rescale(x, state, rules)
        s, fit = assign(x, t, state, rules)
        trace.slot[i], trace.serial[i] = s, state.slots.serial[s]
        sample(x, t, state, stride)
        if t > RESERVOIR:
            watch(t, 0, 0.0 if state.slots.kind[s] == PROMOTED else 1.0, state, alarms)
            if fit >= 0.0:
                watch(t, 1, math.log(fit + 0.01), state, alarms)
        totals["pace"] += _PACE_FADES * (1.0 - totals["pace"])
        if estimate_due(t, totals["last_drift"]):
            estimate(state)
        if due(t):
            replay(t, state, rules, trace, i)
        if t % EVERY == 0:
            maintain(t, state, rules, trace, i + 1)


@compiled
def settle_points(
    points: Points, state: State, trace: Trace, labels: NDArray[np.int64], similarities: NDArray[np.float64]
) -> None:
    """Say where the batch's points belong now that it is over."""
    slots, used, precision = state.slots, state.totals[0]["used"], state.scale.precision
    for i in range(points.shape[0]):
        s = trace.slot[i]
        if slots.kind[s] == PROMOTED and slots.serial[s] == trace.serial[i]:
            labels[i] = slots.identity[s]
            square = squared_distance(points[i], slots.center[s], precision, np.inf)
        else:
            labels[i] = -1
            s, square = nearest_promoted(points[i], slots, used, precision)
        similarities[i] = 0.0 if s < 0 else 1.0 / math.sqrt(1.0 + square)


@compiled
def judge_points(
    points: Points, state: State, reach: float, labels: NDArray[np.int64], similarities: NDArray[np.float64]
) -> None:
    """Label points by the nearest promoted cluster, if it accepts them; the state is only read."""
    slots, used, precision = state.slots, state.totals[0]["used"], state.scale.precision
    for i in range(points.shape[0]):
        s, square = nearest_promoted(points[i], slots, used, precision)
        labels[i] = slots.identity[s] if s >= 0 and square <= reach * (1.0 + 1.0 / slots.members[s]) else -1
        similarities[i] = 0.0 if s < 0 else 1.0 / math.sqrt(1.0 + square)
