"""How far a clustering agrees with true labels."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Labels = NDArray[np.int64]


def contingency(truth: Labels, labels: Labels) -> NDArray[np.int64]:
    """(classes, clusters): how many points of each class each cluster has. Both are (n,)."""
    _, rows = np.unique(truth, return_inverse=True)
    _, columns = np.unique(labels, return_inverse=True)
    counts = np.zeros((rows.max(initial=-1) + 1, columns.max(initial=-1) + 1), np.int64)
    np.add.at(counts, (rows, columns), 1)
    return counts


def adjusted_rand(truth: Labels, labels: Labels) -> float:
    """Hubert and Arabie 1985: of all pairs of points, how far both sides agree on which belong together, so that 0 is
    chance and 1 is the same partition. Every label is a group, that of outliers too."""
    counts = contingency(truth, labels)
    together = _pairs(counts)
    by_class, by_cluster = _pairs(counts.sum(axis=1)), _pairs(counts.sum(axis=0))
    pairs = _pairs(np.array([counts.sum()]))
    expected = by_class * by_cluster / pairs if pairs else 0.0
    most = (by_class + by_cluster) / 2
    return 1.0 if most == expected else (together - expected) / (most - expected)


def purity(truth: Labels, labels: Labels) -> float:
    """The share of points that are of their cluster's most frequent class. More clusters never lower it: compare with
    the share of the largest class, which one cluster for all has. 0 where there are no points."""
    counts = contingency(truth, labels)
    return float(counts.max(axis=0, initial=0).sum() / counts.sum()) if counts.size else 0.0


def _pairs(counts: NDArray[np.int64]) -> float:
    return float((counts.astype(np.float64) * (counts - 1) / 2).sum())
