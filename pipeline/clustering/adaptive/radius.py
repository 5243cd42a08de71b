"""The natural radius: how wide the stream's own groups are, read off a sample."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from pipeline.clustering.adaptive.detector import forget
from pipeline.clustering.adaptive.distance import Matrix, compiled, looped, place
from pipeline.clustering.adaptive.linkage import best_cut, pairwise
from pipeline.clustering.adaptive.relevance import LEAST_DIMENSION, relevance, weighed_dimension
from pipeline.clustering.adaptive.scale import renew_precision
from pipeline.clustering.adaptive.state import RESERVOIR, State
from pipeline.clustering.adaptive.structure import effective_dimension, spread_and_gap

_STRETCH = 1.5
"""The radius is widened up to this factor where the groups leave room."""
_ROOM = 0.9
"""Part of the gap between groups that the radius may take."""
_NO_STRUCTURE = 0.62
"""Times 1/sqrt(effective dimension): a silhouette below it is what one Gaussian gives (its 95th percentile is ~.66)."""
_BLEND = 0.3
"""How much a later estimate counts."""
_HOLD = 0.9
AFTER_DRIFT = 512
"""Points after a drift at which the radius is estimated out of turn."""
_RELEVANCE_EVERY = 8192
_LEAST_SAMPLE = 8


class Estimate(NamedTuple):
    radius: float
    silhouette: float
    effective_dimension: float


@compiled
def tail(dimension: float) -> float:
    """kappa(D) = sqrt(chi2_{D,.99} / D) by Wilson and Hilferty: within kappa sigma lie 99 % of a Gaussian group."""
    a = 2.0 / (9.0 * dimension)
    return float((1.0 - a + 2.33 * math.sqrt(a)) ** 1.5)


def standardised(sample: Matrix, state: State) -> Matrix:
    """Rows in running standard deviations, weighted by relevance, winsorised at 4."""
    scale = state.scale
    stretch = np.sqrt(scale.precision * scale.mean.size)
    return np.asarray(np.clip((sample - scale.mean) * stretch, -4.0, 4.0))


@looped(standardised)
def _standardised(sample: Any, state: Any) -> Any:
    def loops(sample: Matrix, state: State) -> Matrix:
        m, dimension = sample.shape
        scores = np.empty((m, dimension))
        stretch, mean = np.sqrt(state.scale.precision * dimension), state.scale.mean
        for i in range(m):
            for j in range(dimension):
                scores[i, j] = min(4.0, max(-4.0, (sample[i, j] - mean[j]) * stretch[j]))
        return scores

    return loops


@compiled
def natural_radius(sample: Matrix, dimension: float) -> Estimate:
    """rho of a standardised sample (m, D), with what it was read from. `dimension` is D, or less where some dimensions
    hardly count.

    Average linkage; the cut with the greatest silhouette; rho = clamp(1.5 kappa sigma_w, kappa sigma_w .. .9 gap),
    at most 1. Where the silhouette is below .62 / sqrt(D_eff) there is no structure to find: rho = 1.5 kappa(D_eff),
    so that all the sample is one cluster.
    """
    m = sample.shape[0]
    squares = pairwise(sample)
    silhouette, groups, k = best_cut(squares)
    effective = effective_dimension(squares, dimension)
    if m >= 32 and silhouette < _NO_STRUCTURE / math.sqrt(effective):
        return Estimate(_STRETCH * tail(effective), silhouette, effective)
    if k < 2:
        return Estimate(1.0, silhouette, effective)
    sigma, gap = spread_and_gap(squares, groups, k)
    reach = tail(dimension) * sigma
    if reach <= 0.0:
        return Estimate(1.0, silhouette, effective)
    return Estimate(min(1.0, max(reach, min(_STRETCH * reach, _ROOM * gap))), silhouette, effective)


@compiled
def relevance_due(t: int, last_drift: int) -> bool:
    """At the end of the warm-up, after a drift, and at every 8,192nd point."""
    return t == RESERVOIR or t % _RELEVANCE_EVERY == 0 or (last_drift > 0 and t == last_drift + AFTER_DRIFT)


@compiled
def renew_relevance(state: State) -> None:
    """Find out anew which dimensions count; where that changes, distances do, and the detectors start anew."""
    scale = state.scale
    if scale.mean.size < LEAST_DIMENSION:
        return
    before = scale.relevance.copy()
    place(scale.relevance, np.ones(before.size))
    renew_precision(state)
    found = relevance(standardised(state.reservoir, state))
    place(scale.relevance, found)
    renew_precision(state)
    change = 0.0
    for j in range(found.size):
        change += abs(found[j] - before[j])
    if change > 0.0:
        for k in range(state.detectors.size):
            forget(state.detectors[k])


@compiled
def estimate(state: State) -> None:
    """Read the natural radius off the reservoir.

    Coordinates are winsorised at 4 deviations. The first estimates, up to point 128, replace the radius; later ones are
    blended in: log rho <- .7 log rho + .3 log rho'. The wide radius holds the peak, less a tenth
    an estimate, until it is taken anew after a drift.
    """
    totals = state.totals[0]
    m = min(totals["sampled"], RESERVOIR)
    if m < _LEAST_SAMPLE:
        return
    if relevance_due(totals["points"], totals["last_drift"]):
        renew_relevance(state)
    found = natural_radius(standardised(state.reservoir[:m], state), weighed_dimension(state.scale.relevance))
    if totals["estimated"] == 0 or totals["points"] <= RESERVOIR:
        totals["radius"] = max(found.radius, 1e-12)
    else:
        kept = (1.0 - _BLEND) * math.log(totals["radius"])
        totals["radius"] = math.exp(kept + _BLEND * math.log(max(found.radius, 1e-12)))
    fresh = totals["points"] <= RESERVOIR or totals["points"] == totals["last_drift"] + AFTER_DRIFT
    totals["wide_radius"] = max(totals["radius"], 0.0 if fresh else _HOLD * totals["wide_radius"])
    totals["silhouette"] = found.silhouette
    totals["effective_dimension"] = found.effective_dimension
    totals["estimated"] = totals["points"]
