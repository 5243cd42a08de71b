"""What the learner tells of itself: quality, confidence, drift, health, stability, each from its state alone."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from pipeline.clustering.adaptive.assign import effective_threshold, reach_of, slack_of
from pipeline.clustering.adaptive.distance import Vector
from pipeline.clustering.adaptive.state import CANDIDATE, PROMOTED, Rules, State
from pipeline.learning.learner import Cluster, Status

CONFIDENT = 8.0
"""Weight at which confidence is one half."""
DRIFT_REMEMBERED = 1000
"""Points for which a drift is reported as current."""
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
    slots, center, precision = state.slots, state.center, state.scale.precision
    others = rows
    if len(rows) == 1:
        others = np.concatenate([rows, np.flatnonzero(slots["kind"][: state.totals[0]["used"]] == CANDIDATE)])
    nearest = np.full(len(rows), np.inf)
    for i, s in enumerate(rows):
        difference = center[others[others != s]] - center[s]
        if len(difference):
            nearest[i] = ((difference * difference) @ precision).min()
    return nearest


def clusters(state: State, rules: Rules) -> list[Cluster]:
    """The promoted clusters, ids ascending."""
    slots, totals = state.slots, state.totals[0]
    t, radius, half_life = int(totals["points"]), float(totals["radius"]), math.log(2.0) / rules.decay
    rows = np.flatnonzero(slots["kind"][: totals["used"]] == PROMOTED)
    rows = rows[np.argsort(slots["identity"][rows])]
    told = []
    with np.errstate(over="ignore"):
        for s, nearest in zip(rows, _nearest_squares(rows, state), strict=True):
            group = slots[s]
            away = state.center[s] - state.anchor[s]
            square, dispersion = float((away * away) @ state.scale.precision), float(group["dispersion"])
            members = float(group["members"])
            good = quality(dispersion, float(nearest))
            drift = drift_coefficient(square, dispersion, members, radius, rules.learning_rate)
            weight = float(group["weight"]) * math.exp(-rules.decay * (t - int(group["decayed"])))
            told.append(
                Cluster(
                    cluster_id=int(group["identity"]),
                    size=int(members),
                    weight=weight,
                    center=state.center[s].copy(),
                    quality=good,
                    confidence=confidence(weight, drift),
                    drift_coefficient=drift,
                    health=health(good, drift, (t - int(group["touched"])) / half_life),
                    created=int(group["founded"]),
                    updated=int(group["touched"]),
                )
            )
    return told


def status(state: State, rules: Rules) -> Status:
    """The model's figures.

    outlier_rate: outliers among the last ~256 points. clustering_quality: the clusters' mean quality by weight, times
    1 - that rate shrunk by 32 assumed members. global_stability: (1 - mean drift coefficient) e^(-churn / active), with
    the decayed number of births, deaths and merges since the warm-up. adaptation_rate: the learning rate's factor, over
    1 for a while after a drift, times 1 + mean drift coefficient; 1 means stationary.
    """
    totals = state.totals[0]
    told = clusters(state, rules)
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
