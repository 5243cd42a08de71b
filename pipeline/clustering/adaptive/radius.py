"""The natural radius: how wide the stream's own groups are, read off a sample."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pipeline.clustering.adaptive.distance import FAR, Matrix, Vector, compiled, looped
from pipeline.clustering.adaptive.linkage import best_cut, pairwise
from pipeline.clustering.adaptive.state import RESERVOIR, State

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


@compiled
def effective_dimension(squares: Matrix, dimension: int) -> float:
    """Participation ratio (tr G)^2 / tr G^2 of the centred Gram matrix, less its bias for a sample of m.

    `squares` (m, m): squared distances. G = -1/2 J squares J (Torgerson). 1 <= result <= D.
    """
    m = squares.shape[0]
    rows = np.zeros(m)
    mean = 0.0
    for i in range(m):
        for j in range(m):
            rows[i] += squares[i, j] / m
        mean += rows[i] / m
    trace, total = 0.0, 0.0
    for i in range(m):
        trace += rows[i] - 0.5 * mean
        for j in range(m):
            total += (0.5 * (squares[i, j] - rows[i] - rows[j] + mean)) ** 2
    ratio = trace * trace / max(total, 1e-300)
    inverse = 1.0 / max(ratio, 1e-9) - 1.0 / m
    return min(float(dimension), max(1.0, 1.0 / inverse if inverse > 1e-9 else float(dimension)))


def block_sums(squares: Matrix, groups: NDArray[np.int64], k: int) -> Matrix:
    """(k, k) sums of `squares` between groups 0..k-1; group -1 is left out."""
    kept = groups >= 0
    member = (groups[kept][:, None] == np.arange(k)).astype(np.float64)
    return np.asarray(member.T @ squares[np.ix_(kept, kept)] @ member)


@looped(block_sums)
def _block_sums(squares: Any, groups: Any, k: Any) -> Any:
    def loops(squares: Matrix, groups: NDArray[np.int64], k: int) -> Matrix:
        sums = np.zeros((k, k))
        for i in range(groups.size):
            if groups[i] >= 0:
                for j in range(groups.size):
                    if groups[j] >= 0:
                        sums[groups[i], groups[j]] += squares[i, j]
        return sums

    return loops


@compiled
def spread_and_gap(squares: Matrix, groups: NDArray[np.int64], k: int) -> tuple[float, float]:
    """(sigma_w, gap) of a grouping, both from pairwise squares alone.

    sigma_w^2 = sum_c (1 / 2 n_c) sum_{ij in c} squares_ij / sum_c (n_c - 1): the pooled variance within.
    gap: the lower quartile over the groups of the distance of their mean to the nearest other's.
    """
    sums = block_sums(squares, groups, k)
    sizes = np.zeros(k)
    for i in range(groups.size):
        if groups[i] >= 0:
            sizes[groups[i]] += 1.0
    within, points = 0.0, 0.0
    for c in range(k):
        within += 0.5 * sums[c, c] / sizes[c]
        points += sizes[c]
    gaps = np.full(k, FAR)
    for c in range(k):
        for e in range(k):
            if e != c:
                gap = sums[c, e] / (sizes[c] * sizes[e])
                gap -= 0.5 * sums[c, c] / sizes[c] ** 2 + 0.5 * sums[e, e] / sizes[e] ** 2
                gaps[c] = min(gaps[c], gap)
    return math.sqrt(max(0.0, within / max(1.0, points - k))), math.sqrt(max(0.0, lower_quartile(gaps)))


@compiled
def lower_quartile(values: Vector) -> float:
    """The value that a quarter of the others lie below."""
    chosen = values[0]
    for i in range(values.size):
        below = 0
        for j in range(values.size):
            if values[j] < values[i] or (values[j] == values[i] and j < i):
                below += 1
        if below == values.size // 4:
            chosen = values[i]
    return float(chosen)


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
        for j in range(dimension):
            stretch = math.sqrt(state.scale.precision[j] * dimension)
            for i in range(m):
                scores[i, j] = min(4.0, max(-4.0, (sample[i, j] - state.scale.mean[j]) * stretch))
        return scores

    return loops


@compiled
def natural_radius(sample: Matrix) -> Estimate:
    """rho of a standardised sample (m, D), with what it was read from.

    Average linkage; the cut with the greatest silhouette; rho = clamp(1.5 kappa sigma_w, kappa sigma_w .. .9 gap),
    at most 1. Where the silhouette is below .62 / sqrt(D_eff) there is no structure to find: rho = 1.5 kappa(D_eff),
    so that all the sample is one cluster.
    """
    m, dimension = sample.shape
    squares = pairwise(sample)
    silhouette, groups, k = best_cut(squares)
    effective = effective_dimension(squares, dimension)
    if m >= 32 and silhouette < _NO_STRUCTURE / math.sqrt(effective):
        return Estimate(_STRETCH * tail(effective), silhouette, effective)
    if k < 2:
        return Estimate(1.0, silhouette, effective)
    sigma, gap = spread_and_gap(squares, groups, k)
    reach = tail(float(dimension)) * sigma
    if reach <= 0.0:
        return Estimate(1.0, silhouette, effective)
    return Estimate(min(1.0, max(reach, min(_STRETCH * reach, _ROOM * gap))), silhouette, effective)


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
    found = natural_radius(standardised(state.reservoir[:m], state))
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
