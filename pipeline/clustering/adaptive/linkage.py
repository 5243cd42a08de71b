"""Average linkage of a small sample, cut where the silhouette is greatest."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba.extending import register_jitable
from numpy.typing import NDArray

from pipeline.clustering.adaptive.distance import FAR, FREELY, Matrix, compiled, inlined, looped

Labels = NDArray[np.int64]
Row = NDArray[np.float64]

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
def _squares(a: Row, b: Row, c: Row, d: Row) -> tuple[float, float, float, float]:
    """Mean squared differences of a and b each to c and d: each number is read once for two sums."""
    ac, ad, bc, bd = 0.0, 0.0, 0.0, 0.0
    for j in range(a.size):
        ac += (a[j] - c[j]) * (a[j] - c[j])
        ad += (a[j] - d[j]) * (a[j] - d[j])
        bc += (b[j] - c[j]) * (b[j] - c[j])
        bd += (b[j] - d[j]) * (b[j] - d[j])
    return ac / a.size, ad / a.size, bc / a.size, bd / a.size


@looped(pairwise)
def _pairwise(sample: Any) -> Any:
    def loops(sample: Matrix) -> Matrix:
        m = sample.shape[0]
        squares = np.zeros((m, m))
        for i in range(0, m, 2):
            below = min(i + 1, m - 1)
            for k in range(0, i + 1, 2):
                right = min(k + 1, m - 1)
                ac, ad, bc, bd = _squares(sample[i], sample[below], sample[k], sample[right])
                squares[i, k], squares[i, right], squares[below, k], squares[below, right] = ac, ad, bc, bd
                squares[k, i], squares[right, i], squares[k, below], squares[right, below] = ac, ad, bc, bd
        return squares

    return loops


def silhouette(sums: Matrix, sizes: Row, labels: Labels) -> float:
    """Mean silhouette (Rousseeuw 1987) over all m points; those of groups below three count as 0; -1 if fewer than two
    groups are left.

    `sums` (m, m): by the group's label, its summed distance to each point; `sizes` (m,) by label, 0: dead.
    """
    big = np.flatnonzero(sizes >= _LEAST_GROUP)
    if len(big) < 2:
        return -1.0
    rows = np.flatnonzero(sizes[labels] >= _LEAST_GROUP)
    own = labels[rows]
    means = sums[np.ix_(big, rows)].T / sizes[big]
    means[big == own[:, None]] = np.inf
    inner = sums[own, rows] / (sizes[own] - 1.0)
    outer = means.min(axis=1)
    widest = np.maximum(inner, outer)
    return float(np.where(widest > 0.0, (outer - inner) / np.maximum(widest, 1e-300), 0.0).sum() / len(labels))


@register_jitable(**FREELY)
def _draw_near(outer: Row, sums: Row, size: float, labels: Labels, c: int) -> None:
    """Let `outer` be no more than the mean distance to group c, for points of other groups."""
    share = 1.0 / size
    for i in range(outer.size):
        outer[i] = min(outer[i], FAR if labels[i] == c else sums[i] * share)


@looped(silhouette)
def _silhouette(sums: Any, sizes: Any, labels: Any) -> Any:
    def loops(sums: Matrix, sizes: Row, labels: Labels) -> float:
        groups = 0
        outer = np.full(labels.size, FAR)
        for c in range(sizes.size):
            if sizes[c] >= _LEAST_GROUP:
                groups += 1
                _draw_near(outer, sums[c], sizes[c], labels, c)
        if groups < 2:
            return -1.0
        total = 0.0
        for i in range(labels.size):
            own = labels[i]
            if sizes[own] >= _LEAST_GROUP:
                inner = sums[own, i] / (sizes[own] - 1.0)
                widest = max(inner, outer[i])
                if widest > 0.0:
                    total += (outer[i] - inner) / widest
        return total / labels.size

    return loops


def join(links: Matrix, sums: Matrix, sizes: Row, labels: Labels, a: int, b: int) -> None:
    """Fold group b into group a < b, in place: Lance and Williams' average linkage. What `links` says of dead groups,
    those of size 0, has no meaning."""
    merged = (sizes[a] * links[a] + sizes[b] * links[b]) / (sizes[a] + sizes[b])
    links[a, :] = links[:, a] = merged
    links[a, a] = FAR
    sums[a] += sums[b]
    sizes[a] += sizes[b]
    sizes[b] = 0.0
    labels[labels == b] = a


@inlined
def _blend(to: Row, other: Row, share: float) -> None:
    for i in range(to.size):
        to[i] = share * to[i] + (1.0 - share) * other[i]


@inlined
def _add(to: Row, other: Row) -> None:
    for i in range(to.size):
        to[i] += other[i]


@inlined
def _relabel(labels: Labels, a: int, b: int) -> None:
    for i in range(labels.size):
        labels[i] = a if labels[i] == b else labels[i]


@looped(join)
def _join(links: Any, sums: Any, sizes: Any, labels: Any, a: Any, b: Any) -> Any:
    def loops(links: Matrix, sums: Matrix, sizes: Row, labels: Labels, a: int, b: int) -> None:
        _blend(links[a], links[b], sizes[a] / (sizes[a] + sizes[b]))
        links[a, a] = FAR
        _add(sums[a], sums[b])
        _relabel(labels, a, b)
        sizes[a] += sizes[b]
        sizes[b] = 0.0
        for i in range(sizes.size):
            if sizes[i] > 0.0:
                links[i, a] = links[a, i]

    return loops


def least(values: Row, sizes: Row) -> int:
    """The place of the least value of a living group, the first of equals."""
    return int(np.where(sizes > 0.0, values, FAR).argmin())


@register_jitable(**FREELY)
def _minimum(values: Row, sizes: Row) -> float:
    found = FAR
    for i in range(values.size):
        found = min(found, values[i] if sizes[i] > 0.0 else FAR)
    return found


@looped(least)
def _least(values: Any, sizes: Any) -> Any:
    def loops(values: Row, sizes: Row) -> int:
        minimum = _minimum(values, sizes)
        for i in range(values.size):
            if values[i] == minimum and sizes[i] > 0.0:
                return i
        return 0

    return loops


@compiled
def renew_neighbours(links: Matrix, sizes: Row, neighbour: Labels, near: Row, a: int, b: int) -> None:
    """Bring each group's nearest other up to date after b was folded into a."""
    for i in range(near.size):
        if sizes[i] == 0.0:
            continue
        if i == a or neighbour[i] == a or neighbour[i] == b:
            neighbour[i] = least(links[i], sizes)
            near[i] = links[i, neighbour[i]]
        elif links[a, i] < near[i]:
            neighbour[i] = a
            near[i] = links[a, i]


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
        neighbour[i] = least(links[i], sizes)
        near[i] = links[i, neighbour[i]]
    best = -1.0
    chosen, chosen_sizes = labels.copy(), sizes.copy()
    for count in range(m - 1, 1, -1):
        first = least(near, sizes)
        a, b = min(first, neighbour[first]), max(first, neighbour[first])
        join(links, sums, sizes, labels, a, b)
        renew_neighbours(links, sizes, neighbour, near, a, b)
        if count <= min(m // 3, _MOST_GROUPS):
            score = silhouette(sums, sizes, labels)
            if score > best:
                best = score
                chosen, chosen_sizes = labels.copy(), sizes.copy()
    return _numbered(best, chosen, chosen_sizes)


@compiled
def _numbered(score: float, labels: Labels, sizes: Row) -> tuple[float, Labels, int]:
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
