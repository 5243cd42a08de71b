"""The stream's own yardstick: a running deviation per dimension, against which all distances are taken."""

from __future__ import annotations

from numba.extending import register_jitable

from pipeline.clustering.adaptive.distance import FAR, FREELY, Vector, compiled, inlined, track
from pipeline.clustering.adaptive.state import Rules, State

_WINSORISE_FROM = 32
_REACH = 4.0
"""Deviations a point may pull the scale by, after the first points."""


@inlined
def rescale(x: Vector, state: State, rules: Rules) -> None:
    """Let point number t change mean, variance and, now and then, the precision of the distance.

    Rate max(1/t, decay/2): exact moments first, then a window twice the half-life. From the 33rd point on, a point is
    winsorised at 4 deviations, so that no outlier swells the scale. The precision is renewed at each of the first 64
    points and at every 32nd later, so that it costs little in high dimension.
    """
    t = state.totals[0]["points"]
    reach = _REACH if t > _WINSORISE_FROM else FAR
    track(x, state.scale, max(1.0 / t, 0.5 * rules.decay), reach)
    if t <= 64 or t % 32 == 0:
        renew_precision(state)


@register_jitable(**FREELY)
def mean_square(values: Vector) -> float:
    total = 0.0
    for j in range(values.size):
        total += values[j] * values[j]
    return total / values.size


@register_jitable(**FREELY)
def mean_of(values: Vector) -> float:
    total = 0.0
    for j in range(values.size):
        total += values[j]
    return total / values.size


@compiled
def renew_precision(state: State) -> None:
    """precision_j = relevance_j / (D (variance_j + prior)).

    The prior is 4^-t a + 1e-12 v + 1e-24 a + 1e-300, a the mean square of the running means, v the mean variance. Its
    first part takes the stream's magnitude for its deviation while there are too few points to tell, and halves with
    each; the others keep constant dimensions, and what rounding leaves of them, from weighing all.
    """
    scale = state.scale
    t = state.totals[0]["points"]
    dimension = scale.mean.size
    magnitude, spread = mean_square(scale.mean), mean_of(scale.variance)
    early = 0.25 ** float(t) if t < 40 else 0.0
    prior = early * magnitude + 1e-12 * spread + 1e-24 * magnitude + 1e-300
    for j in range(dimension):
        scale.precision[j] = scale.relevance[j] / (dimension * (scale.variance[j] + prior))
