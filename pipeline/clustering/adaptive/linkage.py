"""Average linkage of a small sample, cut where the silhouette is greatest."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba.extending import register_jitable
from numpy.typing import NDArray

from pipeline.clustering.adaptive.distance import FAR, FREELY, Matrix, compiled, looped

Labels = NDArray[np.int64]

_LEAST_GROUP = 3
"""Smaller groups are noise to the silhouette."""
_MOST_GROUPS = 60


def pairwise(sample: Matrix) -> Matrix:
    """(m, m) mean squared differences of the rows of `sample` (m, D)."""
    squares = np.empty((len(sample), len(sample)))
    for i, row in enumerate(sample):
        difference = sample - row
        squares[i] = np.einsum("ij,ij->i", difference, difference) / sample.shape[1]
    return squares


@register_jitable(**FREELY)
def _mean_square(sample: Matrix, i: int, k: int) -> float:
    total = 0.0
    for j in range(sample.shape[1]):
        difference = sample[i, j] - sample[k, j]
        total += difference * difference
    return float(total / sample.shape[1])


@looped(pairwise)
def _pairwise(sample: Any) -> Any:
    def loops(sample: Matrix) -> Matrix:
        m = sample.shape[0]
        squares = np.zeros((m, m))
        for i in range(m):
            for k in range(i):
                squares[i, k] = _mean_square(sample, i, k)
                squares[k, i] = squares[i, k]
        return squares

    return loops


def silhouette(sums: Matrix, sizes: NDArray[np.float64], labels: Labels) -> float:
    """Mean silhouette (Rousseeuw 1987) over all m points; those of groups below three count as 0; -1 if fewer than two
    groups are left.

    `sums` (m, m): summed distance of each point to each group, by the group's label; `sizes` (m,) by label, 0: dead.
    """
    big = np.flatnonzero(sizes >= _LEAST_GROUP)
    if len(big) < 2:
        return -1.0
    rows = np.flatnonzero(sizes[labels] >= _LEAST_GROUP)
    own = labels[rows]
    means = sums[np.ix_(rows, big)] / sizes[big]
    means[big == own[:, None]] = np.inf
    inner = sums[rows, own] / (sizes[own] - 1.0)
    outer = means.min(axis=1)
    widest = np.maximum(inner, outer)
    return float(np.where(widest > 0.0, (outer - inner) / np.maximum(widest, 1e-300), 0.0).sum() / len(labels))


@looped(silhouette)
def _silhouette(sums: Any, sizes: Any, labels: Any) -> Any:
    def loops(sums: Matrix, sizes: NDArray[np.float64], labels: Labels) -> float:
        groups = 0
        for c in range(sizes.size):
            if sizes[c] >= _LEAST_GROUP:
                groups += 1
        if groups < 2:
            return -1.0
        total = 0.0
        for i in range(labels.size):
            own = labels[i]
            if sizes[own] < _LEAST_GROUP:
                continue
            outer = FAR
            for c in range(sizes.size):
                if c != own and sizes[c] >= _LEAST_GROUP:
                    outer = min(outer, sums[i, c] / sizes[c])
            inner = sums[i, own] / (sizes[own] - 1.0)
            widest = max(inner, outer)
            if widest > 0.0:
                total += (outer - inner) / widest
        return total / labels.size

    return loops


def join(links: Matrix, sums: Matrix, sizes: NDArray[np.float64], labels: Labels, a: int, b: int) -> None:
    """Fold group b into group a < b, in place: Lance and Williams' average linkage. Dead rows of `links` become FAR."""
    merged = (sizes[a] * links[a] + sizes[b] * links[b]) / (sizes[a] + sizes[b])
    merged[(links[a] >= FAR) | (np.arange(len(sizes)) == b)] = FAR
    links[a, :] = links[:, a] = merged
    links[b, :] = links[:, b] = FAR
    sums[:, a] += sums[:, b]
    sizes[a] += sizes[b]
    sizes[b] = 0.0
    labels[labels == b] = a


@looped(join)
def _join(links: Any, sums: Any, sizes: Any, labels: Any, a: Any, b: Any) -> Any:
    def loops(links: Matrix, sums: Matrix, sizes: NDArray[np.float64], labels: Labels, a: int, b: int) -> None:
        for i in range(sizes.size):
            merged = FAR
            if i != b and links[a, i] < FAR:
                merged = (sizes[a] * links[a, i] + sizes[b] * links[b, i]) / (sizes[a] + sizes[b])
            links[a, i] = merged
            links[i, a] = merged
            sums[i, a] += sums[i, b]
            if labels[i] == b:
                labels[i] = a
        for i in range(sizes.size):
            links[b, i] = FAR
            links[i, b] = FAR
        sizes[a] += sizes[b]
        sizes[b] = 0.0

    return loops


@compiled
def renew_neighbours(links: Matrix, neighbour: Labels, near: NDArray[np.float64], a: int, b: int) -> None:
    """Bring each group's nearest other up to date after b was folded into a."""
    near[b] = FAR
    for i in range(near.size):
        if i == b or near[i] >= FAR:
            continue
        if i == a or neighbour[i] == a or neighbour[i] == b:
            neighbour[i] = np.argmin(links[i])
            near[i] = links[i, neighbour[i]]
        elif links[i, a] < near[i]:
            neighbour[i] = a
            near[i] = links[i, a]


@compiled
def best_cut(squares: Matrix) -> tuple[float, Labels, int]:
    """The cut of the average-linkage tree with the greatest silhouette: (silhouette, groups, k).

    groups (m,): 0..k-1, or -1 for members of groups below three. k = 0 and silhouette -1 when no cut leaves two groups.
    Cuts of 2 to min(m / 3, 60) groups are looked at.
    """
    m = squares.shape[0]
    sums = np.sqrt(squares)
    links = sums.copy()
    for i in range(m):
        links[i, i] = FAR
    sizes = np.ones(m)
    labels = np.arange(m)
    neighbour = np.zeros(m, np.int64)
    near = np.zeros(m)
    for i in range(m):
        neighbour[i] = np.argmin(links[i])
        near[i] = links[i, neighbour[i]]
    best = -1.0
    chosen, chosen_sizes = labels.copy(), sizes.copy()
    for count in range(m - 1, 1, -1):
        first = np.argmin(near)
        a, b = min(first, neighbour[first]), max(first, neighbour[first])
        join(links, sums, sizes, labels, a, b)
        renew_neighbours(links, neighbour, near, a, b)
        if count <= min(m // 3, _MOST_GROUPS):
            score = silhouette(sums, sizes, labels)
            if score > best:
                best = score
                chosen, chosen_sizes = labels.copy(), sizes.copy()
    return _numbered(best, chosen, chosen_sizes)


@compiled
def _numbered(score: float, labels: Labels, sizes: NDArray[np.float64]) -> tuple[float, Labels, int]:
    numbers = np.full(labels.size, -1)
    k = 0
    if score > -1.0:
        for c in range(labels.size):
            if sizes[c] >= _LEAST_GROUP:
                numbers[c] = k
                k += 1
    groups = np.zeros(labels.size, np.int64)
    for i in range(labels.size):
        groups[i] = numbers[labels[i]]
    return score, groups, k
