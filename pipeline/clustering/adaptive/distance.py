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

from pipeline.clustering.adaptive.state import Scale

Vector = NDArray[np.float64]
Matrix = NDArray[np.float64]
FAR = 1e300
"""Further than any distance."""
DEAD = 1e-20
"""A variance below this part of the squared mean is what rounding leaves of none."""
_BLOCK = 64
"""Dimensions summed between two looks at the limit."""
OPTIONS: Any = {"error_model": "numpy"}
HOT: Any = {**OPTIONS, "forceinline": True}
"""For what runs with every point: a call would cost more than what it does."""
FREELY: Any = {**HOT, "fastmath": {"reassoc", "contract", "nsz", "nnan"}}
"""Sums may be taken in strands, as wide as the machine's vector unit, and nothing is NaN: only sums and extremes over
one vector of finite numbers are allowed that."""
compiled = register_jitable(**OPTIONS)
"""Marks a function that runs as it is in the interpreter, and is compiled when compiled code calls it."""
inlined = register_jitable(**HOT)
"""The same, and compiled into its callers."""


def looped(
    definition: Callable[..., Any], options: Any = OPTIONS
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Marks what compiled code runs for `definition`. (Not strict: numba would compare annotations, not only names.)"""
    body: Callable[[Callable[..., Any]], Callable[..., Any]] = overload(definition, jit_options=options, strict=False)
    return body


def squared_distance(x: Vector, y: Vector, precision: Vector) -> float:
    """delta^2 = sum_j precision_j (x_j - y_j)^2, precision_j = relevance_j / (D s_j^2).

    s_j is the stream's running deviation, so that delta = 1 means one standard deviation of the stream in any dimension
    and unit.
    """
    difference = x - y
    return float(np.dot(precision * difference, difference))


@register_jitable(**FREELY)
def _sum(x: Vector, y: Vector, precision: Vector) -> float:
    total = 0.0
    for j in range(x.size):
        difference = x[j] - y[j]
        total += precision[j] * difference * difference
    return total


@looped(squared_distance, HOT)
def _squared_distance(x: Any, y: Any, precision: Any) -> Any:
    def loops(x: Vector, y: Vector, precision: Vector) -> float:
        return _sum(x, y, precision)

    return loops


def bounded_distance(
    x: Vector, centers: Matrix, s: int, precision: Vector, start: int, total: float, limit: float
) -> float:
    """delta^2 of x to row s where that is at most `limit`; anything above `limit` else. `total` is what the dimensions
    before `start` sum up to."""
    return total + squared_distance(x[start:], centers[s, start:], precision[start:])


@register_jitable(**FREELY)
def _part(x: Vector, centers: Matrix, s: int, precision: Vector, start: int, end: int) -> float:
    total = 0.0
    # unsigned, or numba would ask of every index whether it is negative; and no views, which it would count
    for j in range(np.uint64(start), np.uint64(end)):
        difference = x[j] - centers[s, j]
        total += precision[j] * difference * difference
    return total


@looped(bounded_distance, HOT)
def _bounded_distance(x: Any, centers: Any, s: Any, precision: Any, start: Any, total: Any, limit: Any) -> Any:
    def loops(x: Vector, centers: Matrix, s: int, precision: Vector, start: int, total: float, limit: float) -> float:
        while start < x.size and total <= limit:
            end = min(x.size, start + _BLOCK)
            total += _part(x, centers, s, precision, start, end)
            start = end
        return total

    return loops


def within(points: Matrix, limit: float) -> bool:
    """Whether no coordinate is beyond +-limit."""
    return not points.size or bool(np.abs(points).max() <= limit)


@register_jitable(**FREELY)
def _greatest(x: Vector) -> float:
    greatest = 0.0
    for j in range(x.size):
        greatest = max(greatest, abs(x[j]))
    return greatest


@looped(within)
def _within(points: Any, limit: Any) -> Any:
    def loops(points: Matrix, limit: float) -> bool:
        return _greatest(points.reshape(points.size)) <= limit

    return loops


def follow(center: Vector, x: Vector, rate: float) -> None:
    """Move `center` by `rate` of the way to `x`, in place."""
    center += rate * (x - center)


@looped(follow, HOT)
def _follow(center: Any, x: Any, rate: Any) -> Any:
    def loops(center: Vector, x: Vector, rate: float) -> None:
        for j in range(center.size):
            center[j] += rate * (x[j] - center[j])

    return loops


def follow_both(center: Vector, anchor: Vector, x: Vector, rate: float, slow: float) -> None:
    """Move `center` by `rate` and `anchor` by `slow` of their ways to `x`, in place."""
    follow(center, x, rate)
    follow(anchor, x, slow)


@looped(follow_both, HOT)
def _follow_both(center: Any, anchor: Any, x: Any, rate: Any, slow: Any) -> Any:
    def loops(center: Vector, anchor: Vector, x: Vector, rate: float, slow: float) -> None:
        for j in range(center.size):
            center[j] += rate * (x[j] - center[j])
            anchor[j] += slow * (x[j] - anchor[j])

    return loops


def place(center: Vector, x: Vector) -> None:
    """Put `center` at `x`, in place."""
    center[:] = x


@looped(place, HOT)
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


@register_jitable(**FREELY)
def _overreach(x: Vector, mean: Vector, variance: Vector, square: float) -> float:
    """The greatest of (x - mean)^2 - square variance: above 0 somebody is to be clipped."""
    worst = -1.0
    for j in range(x.size):
        difference = x[j] - mean[j]
        worst = max(worst, difference * difference - square * variance[j])
    return worst


@inlined
def _track_within(x: Vector, mean: Vector, variance: Vector, rate: float) -> None:
    for j in range(x.size):
        difference = x[j] - mean[j]
        mean[j] += rate * difference
        variance[j] = (1.0 - rate) * (variance[j] + rate * difference * difference)


@compiled
def _track_beyond(x: Vector, means: Vector, variances: Vector, rate: float, reach: float) -> None:
    for j in range(x.size):
        mean, variance = means[j], variances[j]
        difference = x[j] - mean
        if variance > DEAD * mean * mean:
            limit = reach * math.sqrt(variance)
            difference = min(limit, max(-limit, difference))
        means[j] = mean + rate * difference
        variances[j] = (1.0 - rate) * (variance + rate * difference * difference)


@looped(track, HOT)
def _track(x: Any, scale: Any, rate: Any, reach: Any) -> Any:
    def loops(x: Vector, scale: Scale, rate: float, reach: float) -> None:
        if reach < FAR and _overreach(x, scale.mean, scale.variance, reach * reach) <= 0.0:
            _track_within(x, scale.mean, scale.variance, rate)
        else:
            _track_beyond(x, scale.mean, scale.variance, rate, reach)

    return loops
