"""Which dimensions the stream's groups show in: the others are noise, and would drown them."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba.extending import register_jitable
from numpy.typing import NDArray

from pipeline.clustering.adaptive.distance import FAR, FREELY, Matrix, Vector, compiled, looped
from pipeline.clustering.adaptive.linkage import best_cut, pairwise
from pipeline.clustering.adaptive.structure import effective_dimension

Labels = NDArray[np.int64]

LEAST_DIMENSION = 4
"""Below it there is nothing to drown in."""
_GROUPS = 6
_ROUNDS = 6
_STEPS = 8
_CONVINCING = 0.7
"""Times 1/sqrt(effective dimension): the silhouette that rows not used for choosing must reach. One Gaussian gave up
to .56 in simulation."""
_GAIN = 1.3
"""By which factor it must beat that of the same rows unweighed; streams without idle dimensions stayed below 1.2."""
_IDLE = 0.1
"""A dimension that weighs less than this is taken for noise."""
_LEAST_IDLE = 0.3
"""Part of the dimensions that must be noise for any to be weighed."""


def k_means(sample: Matrix, weight: Vector, k: int) -> Labels:
    """(m,) groups of the rows: Lloyd's steps from the row nearest to the mean and then ever the farthest one."""
    rows = sample * np.sqrt(weight)
    first = ((rows - rows.mean(0)) ** 2).sum(1).argmin()
    chosen = [int(first)]
    apart = ((rows - rows[first]) ** 2).sum(1)
    while len(chosen) < k:
        chosen.append(int(apart.argmax()))
        apart = np.minimum(apart, ((rows - rows[chosen[-1]]) ** 2).sum(1))
    centers = rows[chosen]
    labels = np.zeros(len(rows), np.int64)
    for _ in range(_STEPS):
        labels = np.stack([((rows - center) ** 2).sum(1) for center in centers]).argmin(0)
        for c in np.unique(labels):
            centers[c] = rows[labels == c].mean(0)
    return labels


@register_jitable(**FREELY)
def _row_square(x: Vector, y: Vector, weight: Vector) -> float:
    total = 0.0
    for j in range(x.size):
        difference = x[j] - y[j]
        total += weight[j] * difference * difference
    return total


@looped(k_means)
def _k_means(sample: Any, weight: Any, k: Any) -> Any:
    def loops(sample: Matrix, weight: Vector, k: int) -> Labels:
        m, dimension = sample.shape
        centers = np.zeros((k + 1, dimension))
        for i in range(m):
            for j in range(dimension):
                centers[k, j] += sample[i, j] / m
        apart = np.zeros(m)
        for i in range(m):
            apart[i] = -_row_square(sample[i], centers[k], weight)
        for c in range(k):
            far = 0
            for i in range(1, m):
                if apart[i] > apart[far]:
                    far = i
            for j in range(dimension):
                centers[c, j] = sample[far, j]
            for i in range(m):
                square = _row_square(sample[i], centers[c], weight)
                apart[i] = square if c == 0 else min(apart[i], square)
        labels = np.zeros(m, np.int64)
        sizes = np.zeros(k)
        for _ in range(_STEPS):
            for c in range(k):
                sizes[c] = 0.0
            for i in range(m):
                best = FAR
                for c in range(k):
                    square = _row_square(sample[i], centers[c], weight)
                    if square < best:
                        best = square
                        labels[i] = c
                sizes[labels[i]] += 1.0
            for c in range(k):
                if sizes[c] > 0.0:
                    for j in range(dimension):
                        centers[c, j] = 0.0
            for i in range(m):
                for j in range(dimension):
                    centers[labels[i], j] += sample[i, j] / sizes[labels[i]]
        return labels

    return loops


def explained(sample: Matrix, labels: Labels) -> Vector:
    """(D,) the part of each dimension's variance that the groups account for."""
    total = ((sample - sample.mean(0)) ** 2).sum(0)
    within = np.zeros(sample.shape[1])
    for c in np.unique(labels):
        members = sample[labels == c]
        within += ((members - members.mean(0)) ** 2).sum(0)
    return np.asarray(1.0 - np.where(total > 0.0, within / np.maximum(total, 1e-300), 1.0))


@looped(explained)
def _explained(sample: Any, labels: Any) -> Any:
    def loops(sample: Matrix, labels: Labels) -> Vector:
        m, dimension = sample.shape
        sizes, sums = np.zeros(_GROUPS), np.zeros((_GROUPS, dimension))
        mean, total, between = np.zeros(dimension), np.zeros(dimension), np.zeros(dimension)
        for i in range(m):
            sizes[labels[i]] += 1.0
            for j in range(dimension):
                sums[labels[i], j] += sample[i, j]
                mean[j] += sample[i, j] / m
        for i in range(m):
            for j in range(dimension):
                total[j] += (sample[i, j] - mean[j]) ** 2
        for c in range(_GROUPS):
            if sizes[c] > 0.0:
                for j in range(dimension):
                    between[j] += sizes[c] * (sums[c, j] / sizes[c] - mean[j]) ** 2
        for j in range(dimension):
            between[j] = between[j] / total[j] if total[j] > 0.0 else 0.0
        return between

    return loops


@compiled
def weigh(sample: Matrix) -> Vector:
    """(D,) weights with mean 1, after sparse k-means (Witten and Tibshirani 2010).

    In rounds: group by the weights so far; weight_j = max(0, f_j - f_0) / (1 - f_j), f_j the part of the variance
    explained, f_0 = (k - 1) / (m - 1) that explained by chance.
    """
    m, dimension = sample.shape
    weight = np.ones(dimension)
    for _ in range(_ROUNDS):
        shares = explained(sample, k_means(sample, weight, _GROUPS))
        total = 0.0
        for j in range(dimension):
            weight[j] = max(0.0, shares[j] - (_GROUPS - 1.0) / (m - 1.0)) / (1.0 - shares[j] + 1e-9)
            total += weight[j]
        for j in range(dimension):
            weight[j] = weight[j] * dimension / total if total > 0.0 else 1.0
    return weight


@compiled
def idle_share(weight: Vector) -> float:
    """The part of the dimensions that weigh next to nothing."""
    idle = 0
    for j in range(weight.size):
        if weight[j] < _IDLE:
            idle += 1
    return idle / weight.size


@compiled
def convincing(sample: Matrix) -> bool:
    """Whether weights chosen on every other row show groups in the rows between, which they have not seen."""
    half, dimension = sample.shape[0] // 2, sample.shape[1]
    seen, unseen = np.zeros((half, dimension)), np.zeros((half, dimension))
    for i in range(half):
        for j in range(dimension):
            seen[i, j] = sample[2 * i, j]
            unseen[i, j] = sample[2 * i + 1, j]
    weight = weigh(seen)
    if idle_share(weight) < _LEAST_IDLE:
        return False
    plain = structure(unseen)
    for j in range(dimension):
        root = math.sqrt(weight[j])
        for i in range(half):
            unseen[i, j] *= root
    return structure(unseen) >= max(_CONVINCING, _GAIN * plain)


@compiled
def structure(sample: Matrix) -> float:
    """The greatest silhouette, times sqrt(effective dimension): what one Gaussian gives is then alike in any."""
    squares = pairwise(sample)
    score, _groups, _k = best_cut(squares)
    return score * math.sqrt(effective_dimension(squares, float(sample.shape[1])))


@compiled
def relevance(sample: Matrix) -> Vector:
    """(D,) what each dimension of a standardised sample should count, mean 1; all 1 unless many are idle and the rest
    shows groups beyond doubt."""
    if sample.shape[1] < LEAST_DIMENSION or not convincing(sample):
        return np.ones(sample.shape[1])
    weight = weigh(sample)
    return weight if idle_share(weight) >= _LEAST_IDLE else np.ones(sample.shape[1])


@compiled
def weighed_dimension(weight: Vector) -> float:
    """(sum w)^2 / sum w^2: of how many equal dimensions the distance is a mean."""
    total, squares = 0.0, 0.0
    for j in range(weight.size):
        total += weight[j]
        squares += weight[j] * weight[j]
    return total * total / squares
