"""What a grouping of a sample says of its structure, from pairwise squares alone."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.clustering.adaptive.distance import FAR, Matrix, Vector, compiled, looped


@compiled
def effective_dimension(squares: Matrix, dimension: float) -> float:
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
    return min(dimension, max(1.0, 1.0 / inverse if inverse > 1e-9 else dimension))


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
