"""All that the adaptive learner remembers, as plain arrays that Python and compiled code share."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

FREE, CANDIDATE, PROMOTED = 0, 1, 2
"""What a slot holds: nothing, a group not heavy enough yet, a cluster with an id."""

RESERVOIR = 128
"""Points kept for estimating the natural radius."""
CANDIDATES = 16
"""Slots beyond `max_clusters`, for groups on probation."""
SIGNALS = ("outliers", "fit")
"""The drift detectors, by row of `State.detectors`."""

TOTALS = np.dtype(
    [
        ("points", "<i8"),  # points learned
        ("outliers", "<i8"),  # points whose group was never promoted
        ("ids", "<i8"),  # last id given to a cluster
        ("serials", "<i8"),  # last serial given to a group, promoted or not
        ("used", "<i8"),  # slots in use lie below this
        ("mass", "<f8"),  # decayed number of points
        ("recent", "<f8"),  # the same over the recent window
        ("recent_outliers", "<f8"),  # outliers among those
        ("strangers", "<f8"),  # running share of points that no promoted cluster took when they arrived
        ("radius", "<f8"),  # natural radius, rho
        ("ease", "<f8"),  # factor on the threshold, 0.7..1
        ("pace", "<f8"),  # factor on the learning rate, 1 unless a drift was seen lately
        ("churn", "<f8"),  # decayed number of births, deaths and merges
        ("sampled", "<i8"),  # points put into the reservoir
        ("estimated", "<i8"),  # number of the point of the last estimate
        ("silhouette", "<f8"),  # of the best cut at the last estimate
        ("effective_dimension", "<f8"),
        ("drifts", "<i8"),
        ("last_drift", "<i8"),  # number of the point, 0: never
    ]
)
DETECTOR = np.dtype(
    [
        ("seen", "<i8"),  # values since the last reset
        ("mean", "<f8"),  # running mean of the raw value
        ("variance", "<f8"),
        ("standard_mean", "<f8"),  # mean of the standardised value, Page-Hinkley's x_mean
        ("sum", "<f8"),
        ("minimum", "<f8"),
        ("run", "<i8"),  # values since the minimum
    ]
)


class Slots(NamedTuple):
    """Groups of points, one row each: M = max_clusters + CANDIDATES rows."""

    center: NDArray[np.float64]  # (M, D)
    anchor: NDArray[np.float64]  # (M, D) the centre, following ten times slower
    weight: NDArray[np.float64]  # decayed members, as of `decayed`
    members: NDArray[np.float64]  # all members
    dispersion: NDArray[np.float64]  # mean squared distance of members to the centre
    spread: NDArray[np.float64]  # the same, following ten times slower
    traffic: NDArray[np.float64]  # members among the last few points, as of `touched`
    unplaced: NDArray[np.int64]  # members counted in Totals.outliers
    recent_unplaced: NDArray[np.float64]  # members counted in Totals.recent_outliers, as of `touched`
    kind: NDArray[np.int8]
    identity: NDArray[np.int64]  # the id clients see, 0: none yet
    serial: NDArray[np.int64]  # which group it is, across reuse of the slot
    founded: NDArray[np.int64]  # number of the point
    touched: NDArray[np.int64]
    decayed: NDArray[np.int64]


_WIDE = frozenset({"center", "anchor"})
_WHOLE = frozenset({"unplaced", "identity", "serial", "founded", "touched", "decayed"})


class Scale(NamedTuple):
    """The stream's running location and spread, by dimension."""

    mean: NDArray[np.float64]  # (D,)
    variance: NDArray[np.float64]
    precision: NDArray[np.float64]  # weights of the squared distance: relevance / (D variance)
    relevance: NDArray[np.float64]  # 1 unless some dimensions were found to be noise; mean 1


class State(NamedTuple):
    totals: NDArray[np.void]  # (1,) TOTALS
    detectors: NDArray[np.void]  # (len(SIGNALS),) DETECTOR
    slots: Slots
    scale: Scale
    reservoir: NDArray[np.float64]  # (RESERVOIR, D)


class Rules(NamedTuple):
    """What holds for one batch."""

    threshold: float
    max_clusters: int
    learning_rate: float
    decay: float  # ln 2 / half-life in points


class Trace(NamedTuple):
    """Where each point of the batch went: filled by the kernel, followed through merges and replays."""

    slot: NDArray[np.int64]
    serial: NDArray[np.int64]


class Alarms(NamedTuple):
    """Drifts of the batch: written by the kernel up to `raised[0]`."""

    raised: NDArray[np.int64]  # (1,)
    at: NDArray[np.int64]
    signal: NDArray[np.int64]  # index into SIGNALS
    statistic: NDArray[np.float64]
    severity: NDArray[np.float64]
    affected: NDArray[np.int64]  # (rows, AFFECTED) ids, 0: none


AFFECTED = 5
"""Ids named with a drift, at most."""


def empty(dimension: int, max_clusters: int) -> State:
    """The state before the first point."""
    totals = np.zeros(1, TOTALS)
    totals["radius"], totals["ease"], totals["pace"] = 0.5, 1.0, 1.0
    scale = Scale(np.zeros(dimension), np.zeros(dimension), np.ones(dimension), np.ones(dimension))
    slots = empty_slots(max_clusters + CANDIDATES, dimension)
    return State(totals, np.zeros(len(SIGNALS), DETECTOR), slots, scale, np.zeros((RESERVOIR, dimension)))


def empty_slots(rows: int, dimension: int) -> Slots:
    """`rows` free slots."""
    kinds: dict[str, Any] = dict.fromkeys(Slots._fields, np.float64)
    kinds |= dict.fromkeys(_WHOLE, np.int64) | {"kind": np.int8}
    columns: Any = [np.zeros((rows, dimension) if name in _WIDE else rows, kinds[name]) for name in Slots._fields]
    return Slots(*columns)


def grown(state: State, max_clusters: int) -> State:
    """The state with room for `max_clusters`; itself when it has that already. Never shrinks."""
    rows, dimension = state.slots.center.shape
    if rows >= max_clusters + CANDIDATES:
        return state
    slots = empty_slots(max_clusters + CANDIDATES, dimension)
    for name in Slots._fields:
        getattr(slots, name)[:rows] = getattr(state.slots, name)
    return state._replace(slots=slots)


def alarms(points: int) -> Alarms:
    """Room for as many drifts as `points` points can raise: a detector rests for a while after each."""
    rows = 2 + len(SIGNALS) * (points // 100 + 1)
    whole = np.zeros(rows, np.int64)
    return Alarms(
        np.zeros(1, np.int64), whole, whole.copy(), np.zeros(rows), np.zeros(rows), np.zeros((rows, AFFECTED), np.int64)
    )
