"""What the learner tells of itself: quality, confidence, drift, health, stability, each from its state alone."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from pipeline.clustering.adaptive.distance import Vector
from pipeline.clustering.adaptive.search import effective_threshold, reach_of, slack_of
from pipeline.clustering.adaptive.state import CANDIDATE, PROMOTED, Rules, State
from pipeline.learning.learner import Cluster, Status

CONFIDENT = 8.0
"""Weight at which confidence is one half."""
DRIFT_REMEMBERED = 1000
"""Points for which a drift is reported as current."""
_COLUMNS = ("identity", "members", "dispersion", "weight", "decayed", "founded", "touched")
_AT_ONCE = 250_000
"""Numbers of the differences between centres held at a time: 2 MB."""
_ASSUMED = 32.0
"""Points taken for granted to have been in clusters before the first, so that one outlier in three points does not
count as a third."""


def dynamic_threshold(state: State, rules: Rules) -> float:
    """1 / sqrt(1 + R^2): the similarity at which a point is just accepted, R the current acceptance radius."""
    totals = state.totals[0]
    reach = reach_of(float(totals["radius"]), effective_threshold(rules.threshold, float(totals["ease"])))
    return 1.0 / math.sqrt(1.0 + reach)


def quality(dispersion: float, nearest_square: float) -> float:
    """sqrt[(1 - a / sqrt(a^2 + b^2)) max(0, 1 - a^2)]: a the cluster's rms dispersion, b the distance of the nearest
    other centre: apart from the others, and small against the stream."""
    apart = 1.0 - math.sqrt(dispersion / (dispersion + nearest_square + 1e-300))
    return math.sqrt(max(0.0, apart) * max(0.0, 1.0 - dispersion))


def drift_coefficient(square: float, dispersion: float, members: float, radius: float, learning_rate: float) -> float:
    """sqrt(max(0, |centre - anchor|^2 - 2 noise)) / rho, at most 1; noise = dispersion max(lr / (2 - lr), 1/n): how far
    the centre ran ahead of its slow anchor, beyond what sampling explains."""
    noise = dispersion * max(slack_of(learning_rate), 1.0 / members)
    return min(1.0, math.sqrt(max(0.0, square - 2.0 * noise)) / radius)


def confidence(weight: float, drift: float) -> float:
    """w / (w + 8) (1 - drift)."""
    return weight / (weight + CONFIDENT) * (1.0 - drift)


def health(quality: float, drift: float, idle: float) -> str:
    """critical: quality < .25, drift >= .6, or idle for over one half-life; warning: quality < .5, drift >= .3, or idle
    for over half of one; healthy otherwise. `idle` in half-lives."""
    if quality < 0.25 or drift >= 0.6 or idle > 1.0:
        return "critical"
    if quality < 0.5 or drift >= 0.3 or idle > 0.5:
        return "warning"
    return "healthy"


def _nearest_squares(rows: NDArray[np.intp], state: State) -> Vector:
    """For each promoted cluster, delta^2 to the nearest other one; for an only one, to the nearest candidate."""
    slots, precision = state.slots, state.scale.precision
    others = rows
    if len(rows) == 1:
        others = np.concatenate([rows, np.flatnonzero(slots["kind"][: state.totals[0]["used"]] == CANDIDATE)])
    mine, theirs = state.center[rows], state.center[others]
    squares = np.empty((len(rows), len(others)))
    step = max(1, _AT_ONCE // max(1, theirs.size))
    for start in range(0, len(rows), step):
        difference = mine[start : start + step, None] - theirs
        squares[start : start + step] = (difference * difference) @ precision
    squares[np.arange(len(rows)), np.arange(len(rows))] = np.inf
    nearest: Vector = squares.min(axis=1, initial=np.inf)
    return nearest


def clusters(state: State, rules: Rules) -> list[Cluster]:
    """The promoted clusters, ids ascending. Their centres are rows of one array of their own."""
    slots, totals = state.slots, state.totals[0]
    t, radius, half_life = int(totals["points"]), float(totals["radius"]), math.log(2.0) / rules.decay
    rows = np.flatnonzero(slots["kind"][: totals["used"]] == PROMOTED)
    rows = rows[np.argsort(slots["identity"][rows])]
    if not len(rows):
        return []
    with np.errstate(over="ignore"):
        centers, away = state.center[rows], state.center[rows] - state.anchor[rows]
        squares, nearests = (away * away) @ state.scale.precision, _nearest_squares(rows, state)
    told = []
    columns = (slots[rows][name].tolist() for name in _COLUMNS)
    for center, square, nearest, identity, members, dispersion, mass, decayed, founded, touched in zip(
        centers, squares.tolist(), nearests.tolist(), *columns, strict=True
    ):
        good = quality(dispersion, nearest)
        drift = drift_coefficient(square, dispersion, float(members), radius, rules.learning_rate)
        weight = mass * math.exp(-rules.decay * (t - decayed))
        told.append(
            Cluster(
                cluster_id=identity,
                size=int(members),
                weight=weight,
                center=center,
                quality=good,
                confidence=confidence(weight, drift),
                drift_coefficient=drift,
                health=health(good, drift, (t - touched) / half_life),
                created=founded,
                updated=touched,
            )
        )
    return told


def status(state: State, rules: Rules, told: Sequence[Cluster]) -> Status:
    """The model's figures; `told` are its `clusters`.

    outlier_rate: outliers among the last ~256 points. clustering_quality: the clusters' mean quality by weight, times
    1 - that rate shrunk by 32 assumed members. global_stability: (1 - mean drift coefficient) e^(-churn / active), with
    the decayed number of births, deaths and merges since the warm-up. adaptation_rate: the learning rate's factor, over
    1 for a while after a drift, times 1 + mean drift coefficient; 1 means stationary.
    """
    totals = state.totals[0]
    weight = sum(c.weight for c in told)
    drift = sum(c.weight * (c.drift_coefficient or 0.0) for c in told) / weight if weight else 0.0
    good = sum(c.weight * (c.quality or 0.0) for c in told) / weight if weight else 0.0
    recent, outliers = float(totals["recent"]), float(totals["recent_outliers"])
    t, last = int(totals["points"]), int(totals["last_drift"])
    return Status(
        points=t,
        outliers=int(totals["outliers"]),
        active_clusters=len(told),
        dynamic_threshold=dynamic_threshold(state, rules),
        clustering_quality=good * (1.0 - outliers / (recent + _ASSUMED)),
        global_stability=(1.0 - drift) * math.exp(-float(totals["churn"]) / max(1, len(told))),
        adaptation_rate=float(totals["pace"]) * (1.0 + drift),
        outlier_rate=outliers / recent if recent else 0.0,
        drift_detected=last > 0 and t - last < DRIFT_REMEMBERED,
        drifts=int(totals["drifts"]),
        last_drift=last or None,
    )
