"""Which group is nearest to a point: the search that every point pays for, and the lookup that makes it short."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba.extending import register_jitable
from numpy.typing import NDArray

from pipeline.clustering.adaptive.distance import (
    FAR,
    FREELY,
    HOT,
    Matrix,
    Vector,
    bounded_distance,
    compiled,
    inlined,
    looped,
    squared_distance,
)
from pipeline.clustering.adaptive.state import FREE, HEAD, LANES, PROMOTED, Rules, State

Slots = NDArray[np.void]


@inlined
def reach_of(radius: float, threshold: float) -> float:
    """R^2 = rho^2 (1/theta^2 - 1): the squared distance up to which similarity 1/sqrt(1 + (delta/rho)^2) >= theta."""
    return float(radius * radius * max(1.0 / (threshold * threshold) - 1.0, 1e-12))


@inlined
def effective_threshold(threshold: float, ease: float) -> float:
    """theta: the configured threshold, eased, never below 0.1."""
    return float(max(0.1, threshold * ease))


@inlined
def slack_of(learning_rate: float) -> float:
    """lr / (2 - lr): the variance of an exponentially weighted mean, in units of its points' variance."""
    return float(learning_rate / (2.0 - learning_rate))


@inlined
def leeway_of(members: float, learning_rate: float) -> float:
    """1 + max(1/n, lr/(2 - lr)): a young centre is uncertain, an old one keeps the uncertainty of its rate."""
    return float(1.0 + max(1.0 / members, slack_of(learning_rate)))


def write_column(columns: Matrix, s: int, center: Vector) -> None:
    """Put the head of `center` into column s."""
    columns[:, s] = center[: len(columns)]


@looped(write_column, HOT)
def _write_column(columns: Any, s: Any, center: Any) -> Any:
    def loops(columns: Matrix, s: int, center: Vector) -> None:
        for j in range(columns.shape[0]):
            columns[j, s] = center[j]

    return loops


@inlined
def note(s: int, state: State, rules: Rules) -> None:
    """Bring the lookup up to date with what slot s holds."""
    lookup = state.lookup
    group = state.slots[s]
    lookup.leeway[s] = -1.0 if group["kind"] == FREE else leeway_of(group["members"], rules.learning_rate)
    write_column(lookup.columns, s, state.center[s])


@compiled
def renew_lookup(state: State, rules: Rules) -> None:
    """Make the lookup anew. It is no part of the state: it follows from it and the batch's rules."""
    used = state.totals[0]["used"]
    for s in range(state.lookup.leeway.size):
        if s < used:
            note(s, state, rules)
        else:
            state.lookup.leeway[s] = -1.0


def nearest(x: Vector, state: State, reach: float) -> tuple[int, float]:
    """The nearest group that accepts `x`: its slot and delta^2; (-1, FAR) when none does.

    Group k accepts when delta^2 <= reach leeway_k (`leeway_of`). Ties go to the lower slot.
    """
    rows = np.flatnonzero(state.lookup.leeway > 0.0)
    if not len(rows):
        return -1, FAR
    difference = state.center[rows] - x
    squares = (difference * difference) @ state.scale.precision
    accepting = squares <= reach * state.lookup.leeway[rows]
    if not accepting.any():
        return -1, FAR
    best = int(np.where(accepting, squares, np.inf).argmin())
    return int(rows[best]), float(squares[best])


@register_jitable(**FREELY)
def _compare(x: Vector, head: int, columns: Matrix, precision: Vector, width: int, squares: Vector) -> None:
    """squares[:width] = delta^2 to each group in the first `head` dimensions, four at a time so that sums are seldom
    stored. What is missing of the last four weighs nothing."""
    last = head - 1
    for j in range(0, head, 4):
        b, c, d = min(j + 1, last), min(j + 2, last), min(j + 3, last)
        xa, xb, xc, xd = x[j], x[b], x[c], x[d]
        pa = precision[j]
        pb = precision[b] if b == j + 1 else 0.0
        pc = precision[c] if c == j + 2 else 0.0
        pd = precision[d] if d == j + 3 else 0.0
        for s in range(width):
            ea, eb, ec, ed = xa - columns[j, s], xb - columns[b, s], xc - columns[c, s], xd - columns[d, s]
            square = pa * ea * ea + pb * eb * eb + pc * ec * ec + pd * ed * ed
            squares[s] = square if j == 0 else squares[s] + square


@register_jitable(**FREELY)
def _accepted(squares: Vector, leeway: Vector, width: int, reach: float) -> float:
    """The least of the squares that are accepted; the others become FAR."""
    best = FAR
    for s in range(width):
        squares[s] = squares[s] if squares[s] <= reach * leeway[s] else FAR
        best = min(best, squares[s])
    return best


@inlined
def _place_of(value: float, squares: Vector, width: int) -> int:
    s = 0
    while s < width - 1 and squares[s] != value:
        s += 1
    return s


@compiled
def _among(x: Vector, state: State, reach: float, width: int, first: int) -> tuple[int, float]:
    """Of the groups whose distance in the head alone is accepted, the nearest in all dimensions; `first` is tried
    first, so that most others are given up at once."""
    lookup, precision = state.lookup, state.scale.precision
    best, slot = FAR, -1
    for place in range(-1, width):
        s = first if place < 0 else place
        limit = min(best, reach * lookup.leeway[s])
        if place == first or lookup.squares[s] > limit:
            continue
        square = bounded_distance(x, state.center, s, precision, HEAD, lookup.squares[s], limit)
        if square <= limit and (square < best or s < slot):
            best, slot = square, s
    return slot, best


@looped(nearest, HOT)
def _nearest(x: Any, state: Any, reach: Any) -> Any:
    def loops(x: Vector, state: State, reach: float) -> tuple[int, float]:
        lookup = state.lookup
        width = (state.totals[0]["used"] + LANES - 1) // LANES * LANES
        head = min(x.size, HEAD)
        _compare(x, head, lookup.columns, state.scale.precision, width, lookup.squares)
        best = _accepted(lookup.squares, lookup.leeway, width, reach)
        if best >= FAR:
            return -1, FAR
        s = _place_of(best, lookup.squares, width)
        if head == x.size:
            return s, best
        return _among(x, state, reach, width, s)

    return loops


def nearest_promoted(x: Vector, slots: Slots, centers: Matrix, used: int, precision: Vector) -> tuple[int, float]:
    """The nearest promoted cluster: its slot and delta^2; (-1, FAR) when there is none. Ties go to the lower slot."""
    rows = np.flatnonzero(slots["kind"][:used] == PROMOTED)
    if not len(rows):
        return -1, FAR
    difference = centers[rows] - x
    squares = (difference * difference) @ precision
    best = int(squares.argmin())
    return int(rows[best]), float(squares[best])


@looped(nearest_promoted)
def _nearest_promoted(x: Any, slots: Any, centers: Any, used: Any, precision: Any) -> Any:
    def loops(x: Vector, slots: Slots, centers: Matrix, used: int, precision: Vector) -> tuple[int, float]:
        best, slot = FAR, -1
        for s in range(used):
            if slots[s]["kind"] == PROMOTED:
                square = squared_distance(x, centers[s], precision)
                if square < best or slot < 0:
                    best, slot = square, s
        return slot, best

    return loops
