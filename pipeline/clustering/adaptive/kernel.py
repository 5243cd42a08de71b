"""The loop over a batch: the only place where points change the state."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pipeline.clustering.adaptive.assign import assign
from pipeline.clustering.adaptive.distance import compiled, inlined, place, squared_distance, within
from pipeline.clustering.adaptive.drift import FIT, OUTLIERS, raise_alarm, strangeness, watch
from pipeline.clustering.adaptive.maintain import EVERY, maintain
from pipeline.clustering.adaptive.radius import AFTER_DRIFT, estimate
from pipeline.clustering.adaptive.scale import rescale
from pipeline.clustering.adaptive.search import nearest_promoted, renew_lookup
from pipeline.clustering.adaptive.state import PROMOTED, RESERVOIR, Alarms, Rules, State
from pipeline.clustering.adaptive.warmup import due, replay
from pipeline.learning.learner import OUTLIER

Points = NDArray[np.float64]
Labels = NDArray[np.int64]
Trace = NDArray[np.void]

_HALF = 0.5 * math.log(2.0)
_ESTIMATE_EVERY = 1024
_PACE_FADES = 0.005
GREATEST = 1e150
"""Coordinates within +-this have finite squares."""
TOO_GREAT = -1


@inlined
def sampling_stride(rules: Rules) -> int:
    """Every how many points one is kept: 128 of them span half a half-life."""
    return max(1, int(_HALF / rules.decay / RESERVOIR))


@inlined
def sample(x: Points, t: int, stride: int, state: State) -> None:
    """Keep the first 128 points, then every `stride`-th in place of the oldest."""
    if t <= RESERVOIR or t % stride == 0:
        totals = state.totals[0]
        place(state.reservoir[totals["sampled"] % RESERVOIR], x)
        totals["sampled"] += 1


@inlined
def estimate_due(t: int, last_drift: int) -> bool:
    """At points 8, 16, 32, 64, 128, at every 1,024th, and 512 after a drift."""
    if t <= RESERVOIR:
        return t == 8 or t == 16 or t == 32 or t == 64 or t == RESERVOIR
    return t % _ESTIMATE_EVERY == 0 or (last_drift > 0 and t == last_drift + AFTER_DRIFT)


@inlined
def learn_point(
    x: Points, i: int, stride: int, state: State, rules: Rules, trace: Trace, alarms: Alarms, raised: int
) -> int:
    """Learn point i of the batch. Returns how many drifts the batch has raised so far."""
    totals = state.totals[0]
    t = totals["points"] + 1
    totals["points"] = t
    rescale(x, state, rules)
    s, fit = assign(x, t, state, rules)
    trace[i]["slot"], trace[i]["serial"] = s, state.slots[s]["serial"]
    sample(x, t, stride, state)
    if t > RESERVOIR:
        stranger, odd = (0.0, fit) if fit >= 0.0 else strangeness(x, state, rules)
        signal = OUTLIERS
        statistic = watch(OUTLIERS, stranger, state)
        if statistic == 0.0:
            signal = FIT
            statistic = watch(FIT, odd, state)
        if statistic > 0.0:
            raise_alarm(t, signal, statistic, state, alarms.rows[raised], alarms.affected[raised])
            raised += 1
    totals["pace"] += _PACE_FADES * (1.0 - totals["pace"])
    if estimate_due(t, totals["last_drift"]):
        estimate(state)
    if due(t):
        replay(t, state, rules, trace, i)
    if t % EVERY == 0:
        maintain(t, state, rules, trace, i + 1)
    return raised


@compiled
def settle(points: Points, state: State, trace: Trace, labels: Labels, similarities: Points) -> None:
    """Say where the batch's points belong now that it is over: into `labels` and `similarities`."""
    slots, centers, precision, used = state.slots, state.center, state.scale.precision, state.totals[0]["used"]
    for i in range(points.shape[0]):
        s = trace[i]["slot"]
        group = slots[s]
        if group["kind"] == PROMOTED and group["serial"] == trace[i]["serial"]:
            labels[i] = group["identity"]
            square = squared_distance(points[i], centers[s], precision)
        else:
            labels[i] = OUTLIER
            s, square = nearest_promoted(points[i], slots, centers, used, precision)
        similarities[i] = 0.0 if s < 0 else 1.0 / math.sqrt(1.0 + square)


class Entries(NamedTuple):
    """What the engines run."""

    learn: Callable[..., Any]
    judge: Callable[..., Any]


def entries(stamp: int) -> Entries:
    """The two loops over a batch. `stamp`, the fingerprint of the sources, is returned by each: being a constant in
    their closures it is part of the key under which numba keeps their machine code."""

    def learn(
        points: Points,
        size: int,
        state: State,
        rules: Rules,
        trace: Trace,
        alarms: Alarms,
        labels: Labels,
        similarities: Points,
    ) -> tuple[int, int]:
        """Learn batches of `size` points, one after the other, and settle each when it is over; returns how many
        drifts there were, or TOO_GREAT, with nothing learned, if a coordinate lies beyond +-GREATEST. Counts alone
        decide when anything happens, so that the state after n points does not depend on the batches they came in."""
        if not within(points, GREATEST):
            return TOO_GREAT, stamp
        renew_lookup(state, rules)
        raised, stride = 0, sampling_stride(rules)
        for start in range(0, points.shape[0], size):
            batch = points[start : start + size]
            traced = trace[start : start + size]
            for i in range(batch.shape[0]):
                raised = learn_point(batch[i], i, stride, state, rules, traced, alarms, raised)
            settle(batch, state, traced, labels[start : start + size], similarities[start : start + size])
        return raised, stamp

    def judge(points: Points, state: State, reach: float, labels: Labels, similarities: Points) -> int:
        """Label points by the nearest promoted cluster, if it accepts them; the state is only read."""
        slots, centers, precision, used = state.slots, state.center, state.scale.precision, state.totals[0]["used"]
        for i in range(points.shape[0]):
            s, square = nearest_promoted(points[i], slots, centers, used, precision)
            accepted = s >= 0 and square <= reach * (1.0 + 1.0 / slots[s]["members"])
            labels[i] = slots[s]["identity"] if accepted else OUTLIER
            similarities[i] = 0.0 if s < 0 else 1.0 / math.sqrt(1.0 + square)
        return stamp

    return Entries(learn, judge)
