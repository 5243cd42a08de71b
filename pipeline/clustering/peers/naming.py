"""Ids that outlive River's own numbering: clusters found anew are recognised by where they are."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.float64]


def recognise(centers: Matrix, named: Matrix) -> list[int]:
    """For each of `centers` (k, D), the row of `named` (m, D) it continues, or -1.

    One continues the other when each is the other's nearest, ties to the lower row, and they are nearer than half the
    way from the named one to the next named one.
    """
    if not len(centers) or not len(named):
        return [-1] * len(centers)
    with np.errstate(over="ignore"):
        squares = np.stack([((named - center) ** 2).sum(1) for center in centers])
        between = np.stack([((named - name) ** 2).sum(1) for name in named])
    np.fill_diagonal(between, np.inf)
    limit = 0.25 * between.min(1)
    nearest, back = squares.argmin(1), squares.argmin(0)
    return [int(m) if back[m] == i and squares[i, m] <= limit[m] else -1 for i, m in enumerate(nearest)]
