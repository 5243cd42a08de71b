"""All that the adaptive learner remembers, as plain arrays that Python and compiled code share."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

FREE, CANDIDATE, PROMOTED = 0, 1, 2
"""What a slot holds: nothing, a group not heavy enough yet, a cluster with an id."""

RESERVOIR = 128
"""Points kept for estimating the natural radius."""
CANDIDATES = 16
"""Slots beyond `max_clusters`, for groups on probation."""
HEAD = 64
"""In so many dimensions, the first, a point is compared with all groups at once; in the others with those still in
question."""
LANES = 8
"""Groups are compared in multiples of so many."""
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
        ("wide_radius", "<f8"),  # its recent peak: what drift is judged by
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


SLOT = np.dtype(
    [
        ("weight", "<f8"),  # decayed members, as of `decayed`
        ("members", "<f8"),  # all members
        ("dispersion", "<f8"),  # mean squared distance of members to the centre
        ("spread", "<f8"),  # the same, following ten times slower
        ("traffic", "<f8"),  # members among the last few points, as of `touched`
        ("recent_unplaced", "<f8"),  # members counted in recent_outliers, as of `touched`
        ("unplaced", "<i8"),  # members counted in outliers
        ("kind", "<i8"),  # FREE, CANDIDATE or PROMOTED
        ("identity", "<i8"),  # the id clients see, 0: none yet
        ("serial", "<i8"),  # which group it is, across reuse of the slot
        ("founded", "<i8"),  # number of the point
        ("touched", "<i8"),
        ("decayed", "<i8"),
    ]
)
TRACE = np.dtype([("slot", "<i8"), ("serial", "<i8")])
"""Where a point of the batch went: written by the kernel, kept true through merges and replays."""
ALARM = np.dtype([("at", "<i8"), ("signal", "<i8"), ("statistic", "<f8"), ("severity", "<f8")])
"""A drift of the batch; `signal` is an index into SIGNALS."""
AFFECTED = 5
"""Ids named with a drift, at most."""


class Scale(NamedTuple):
    """The stream's running location and spread, by dimension."""

    mean: NDArray[np.float64]  # (D,)
    variance: NDArray[np.float64]
    precision: NDArray[np.float64]  # weights of the squared distance: relevance / (D variance)
    relevance: NDArray[np.float64]  # 1 unless some dimensions were found to be noise; mean 1


class Lookup(NamedTuple):
    """The groups as the search reads them: follows from the rest of the state (`search.renew_lookup`), never kept."""

    columns: NDArray[np.float64]  # (min(D, HEAD), P) the centres by dimension
    leeway: NDArray[np.float64]  # (P,) what the acceptance radius is multiplied by, squared; -1 where no group is
    squares: NDArray[np.float64]  # (P,) room to compare in


class State(NamedTuple):
    """M = max_clusters + CANDIDATES slots of groups, D dimensions."""

    totals: NDArray[np.void]  # (1,) TOTALS
    detectors: NDArray[np.void]  # (len(SIGNALS),) DETECTOR
    slots: NDArray[np.void]  # (M,) SLOT
    center: NDArray[np.float64]  # (M, D)
    anchor: NDArray[np.float64]  # (M, D) the centre, following ten times slower
    scale: Scale
    reservoir: NDArray[np.float64]  # (RESERVOIR, D)
    lookup: Lookup


class Rules(NamedTuple):
    """What holds for one batch."""

    threshold: float
    max_clusters: int
    learning_rate: float
    decay: float  # ln 2 / half-life in points


class Alarms(NamedTuple):
    """Room for the batch's drifts."""

    rows: NDArray[np.void]  # (k,) ALARM
    affected: NDArray[np.int64]  # (k, AFFECTED) ids, 0: none


def empty(dimension: int, max_clusters: int) -> State:
    """The state before the first point."""
    totals = np.zeros(1, TOTALS)
    totals["radius"], totals["wide_radius"], totals["ease"], totals["pace"] = 0.5, 0.5, 1.0, 1.0
    rows = max_clusters + CANDIDATES
    return State(
        totals,
        np.zeros(len(SIGNALS), DETECTOR),
        np.zeros(rows, SLOT),
        np.zeros((rows, dimension)),
        np.zeros((rows, dimension)),
        Scale(np.zeros(dimension), np.zeros(dimension), np.ones(dimension), np.ones(dimension)),
        np.zeros((RESERVOIR, dimension)),
        lookup_of(rows, dimension),
    )


def lookup_of(rows: int, dimension: int) -> Lookup:
    """A lookup with room for so many slots (P of them, the next multiple of LANES), holding none."""
    places = -(-rows // LANES) * LANES
    columns = np.zeros((min(dimension, HEAD), places))
    return Lookup(columns, np.full(places, -1.0), np.zeros(places))


def grown(state: State, max_clusters: int) -> State:
    """The state with room for `max_clusters`; itself when it has that already. Never shrinks."""
    more = max_clusters + CANDIDATES - state.slots.size
    if more <= 0:
        return state
    room = np.zeros((more, state.scale.mean.size))
    return state._replace(
        slots=np.concatenate([state.slots, np.zeros(more, SLOT)]),
        center=np.concatenate([state.center, room]),
        anchor=np.concatenate([state.anchor, room]),
        lookup=lookup_of(state.slots.size + more, state.scale.mean.size),
    )


def alarms(points: int) -> Alarms:
    """Room for as many drifts as `points` points can raise: the detectors rest for a while after each."""
    rows = 2 + points // 100
    return Alarms(np.zeros(rows, ALARM), np.zeros((rows, AFFECTED), np.int64))
