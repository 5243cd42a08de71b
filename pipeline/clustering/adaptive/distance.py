"""The arithmetic of the hot path, in two bodies each: numpy for the interpreter, loops for the compiler.

The first body is the definition; the second, registered with numba's `overload`, is what compiled code runs. The order
of their sums depends on the dimension and the machine's vector unit alone, not on batches: on machines of one kind the
same points give the same bits.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numba.extending import overload, register_jitable
from numpy.typing import NDArray

from pipeline.clustering.adaptive.state import FREE, PROMOTED, Scale

Vector = NDArray[np.float64]
Matrix = NDArray[np.float64]
Slots = NDArray[np.void]
FAR = 1e300
"""Further than any distance."""
DEAD = 1e-20
"""A variance below this part of the squared mean is what rounding leaves of none."""
_BLOCK = 256
"""Dimensions summed between two looks at the limit."""
OPTIONS: Any = {"error_model": "numpy"}
FREELY: Any = {**OPTIONS, "fastmath": {"reassoc", "contract", "nsz"}}
"""Sums may be taken in strands, as wide as the machine's vector unit: the only place where that is allowed."""
compiled = register_jitable(**OPTIONS)
"""Marks a function that runs as it is in the interpreter, and is compiled when compiled code calls it."""


def looped(definition: Callable[..., Any]) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Marks what compiled code runs for `definition`. (Not strict: numba would compare annotations, not only names.)"""
    body: Callable[[Callable[..., Any]], Callable[..., Any]] = overload(definition, jit_options=OPTIONS, strict=False)
    return body


def squared_distance(x: Vector, y: Vector, precision: Vector, limit: float) -> float:
    """delta^2 = sum_j precision_j (x_j - y_j)^2, precision_j = relevance_j / (D s_j^2).

    s_j is the stream's running deviation, so that delta = 1 means one standard deviation of the stream in any dimension
    and unit. Exact when the result is <= `limit`; else anything above `limit` may come back.
    """
    difference = x - y
    return float(np.dot(precision * difference, difference))


@register_jitable(**FREELY)
def _whole(x: Vector, centers: Matrix, s: int, precision: Vector) -> float:
    total = 0.0
    for j in range(x.size):
        difference = x[j] - centers[s, j]
        total += precision[j] * difference * difference
    return total


@register_jitable(**FREELY)
def _piece(x: Vector, y: Vector, precision: Vector) -> float:
    total = 0.0
    for j in range(x.size):
        difference = x[j] - y[j]
        total += precision[j] * difference * difference
    return total


@compiled
def _row_distance(x: Vector, centers: Matrix, s: int, precision: Vector, limit: float) -> float:
    if x.size <= _BLOCK:
        return _whole(x, centers, s, precision)
    total, start, y = 0.0, 0, centers[s]
    while start < x.size and total <= limit:
        end = min(x.size, start + _BLOCK)
        # views, since numba would ask of every index between bounds whether it is negative
        total += _piece(x[start:end], y[start:end], precision[start:end])
        start = end
    return total


@looped(squared_distance)
def _squared_distance(x: Any, y: Any, precision: Any, limit: Any) -> Any:
    def loops(x: Vector, y: Vector, precision: Vector, limit: float) -> float:
        return _row_distance(x, y.reshape(1, y.size), 0, precision, limit)

    return loops


def nearest(
    x: Vector, slots: Slots, centers: Matrix, used: int, precision: Vector, reach: float, least_slack: float
) -> tuple[int, float]:
    """The nearest group that accepts `x`: its slot and delta^2; (-1, FAR) when none does.

    Group k accepts when delta^2 <= reach (1 + max(1/n_k, least_slack)): a young centre is uncertain, and an old one
    keeps the uncertainty of its learning rate. Ties go to the lower slot.
    """
    rows = np.flatnonzero(slots["kind"][:used] != FREE)
    if not len(rows):
        return -1, FAR
    difference = centers[rows] - x
    squares = (difference * difference) @ precision
    accepting = squares <= reach * (1.0 + np.maximum(1.0 / slots["members"][rows], least_slack))
    if not accepting.any():
        return -1, FAR
    best = int(np.where(accepting, squares, np.inf).argmin())
    return int(rows[best]), float(squares[best])


@looped(nearest)
def _nearest(x: Any, slots: Any, centers: Any, used: Any, precision: Any, reach: Any, least_slack: Any) -> Any:
    def loops(
        x: Vector, slots: Slots, centers: Matrix, used: int, precision: Vector, reach: float, least_slack: float
    ) -> tuple[int, float]:
        best, slot = FAR, -1
        for s in range(used):
            group = slots[s]
            if group["kind"] == FREE:
                continue
            limit = reach * (1.0 + max(1.0 / group["members"], least_slack))
            square = _row_distance(x, centers, s, precision, min(limit, best))
            if square <= limit and square < best:
                best, slot = square, s
        return slot, best

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
                square = _row_distance(x, centers, s, precision, best)
                if square < best or slot < 0:
                    best, slot = square, s
        return slot, best

    return loops


def within(points: Matrix, limit: float) -> bool:
    """Whether no coordinate is beyond +-limit."""
    return not points.size or bool(np.abs(points).max() <= limit)


@looped(within)
def _within(points: Any, limit: Any) -> Any:
    def loops(points: Matrix, limit: float) -> bool:
        for i in range(points.shape[0]):
            greatest = 0.0
            for j in range(points.shape[1]):
                greatest = max(greatest, abs(points[i, j]))
            if greatest > limit:
                return False
        return True

    return loops


def follow(center: Vector, x: Vector, rate: float) -> None:
    """Move `center` by `rate` of the way to `x`, in place."""
    center += rate * (x - center)


@looped(follow)
def _follow(center: Any, x: Any, rate: Any) -> Any:
    def loops(center: Vector, x: Vector, rate: float) -> None:
        for j in range(center.size):
            center[j] += rate * (x[j] - center[j])

    return loops


def place(center: Vector, x: Vector) -> None:
    """Put `center` at `x`, in place."""
    center[:] = x


@looped(place)
def _place(center: Any, x: Any) -> Any:
    def loops(center: Vector, x: Vector) -> None:
        for j in range(center.size):
            center[j] = x[j]

    return loops


def track(x: Vector, scale: Scale, rate: float, reach: float) -> None:
    """Update running mean and variance by one point, in place.

    d = clip(x - mean, -reach s, +reach s); mean += rate d; variance = (1 - rate)(variance + rate d^2).
    A dimension that has been constant so far (s <= 1e-10 |mean|) is not clipped, or it could never come to life.
    """
    limit = np.where(scale.variance <= DEAD * scale.mean * scale.mean, FAR, reach * np.sqrt(scale.variance))
    difference = np.clip(x - scale.mean, -limit, limit)
    np.add(scale.mean, rate * difference, out=scale.mean)
    np.multiply(1.0 - rate, scale.variance + rate * difference * difference, out=scale.variance)


@looped(track)
def _track(x: Any, scale: Any, rate: Any, reach: Any) -> Any:
    def loops(x: Vector, scale: Scale, rate: float, reach: float) -> None:
        for j in range(x.size):
            mean, variance = scale.mean[j], scale.variance[j]
            difference = x[j] - mean
            if variance > DEAD * mean * mean:
                limit = reach * math.sqrt(variance)
                difference = min(limit, max(-limit, difference))
            scale.mean[j] = mean + rate * difference
            scale.variance[j] = (1.0 - rate) * (variance + rate * difference * difference)

    return loops
