"""The two ways to run the kernel: compiled by numba, or as it stands on numpy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, NamedTuple

import numpy as np
from numba import njit

from pipeline.clustering.adaptive import kernel
from pipeline.clustering.adaptive.distance import OPTIONS
from pipeline.clustering.adaptive.fingerprint import fingerprint
from pipeline.clustering.adaptive.state import Rules, Trace, alarms, empty

EngineName = Literal["numba", "numpy"]


class Engine(NamedTuple):
    """The kernel's entries; see the functions of the same names in `kernel`."""

    learn: Callable[..., Any]
    settle: Callable[..., Any]
    judge: Callable[..., Any]


def compiled_engine(stamp: int) -> Engine:
    """The kernel behind numba. Machine code is kept beside the sources, or in the user's cache where these are not
    writable, or made in each process where neither is. `stamp` goes into its key."""

    def learn(points: Any, state: Any, rules: Any, trace: Any, alarms: Any) -> int:
        kernel.learn_points(points, state, rules, trace, alarms)
        return stamp

    def settle(points: Any, state: Any, trace: Any, labels: Any, similarities: Any) -> int:
        kernel.settle_points(points, state, trace, labels, similarities)
        return stamp

    def judge(points: Any, state: Any, reach: Any, labels: Any, similarities: Any) -> int:
        kernel.judge_points(points, state, reach, labels, similarities)
        return stamp

    return Engine(_entry(learn), _entry(settle), _entry(judge))


def _entry(function: Callable[..., int]) -> Callable[..., Any]:
    try:
        entry: Callable[..., Any] = njit(cache=True, nogil=True, **OPTIONS)(function)
    except RuntimeError:  # numba found no place to keep machine code in
        entry = njit(nogil=True, **OPTIONS)(function)
    return entry


_COMPILED = compiled_engine(fingerprint())
_INTERPRETED = Engine(kernel.learn_points, kernel.settle_points, kernel.judge_points)


def engine(name: str) -> Engine:
    """The engine of that name. Raises ValueError for another than `numba` or `numpy`."""
    if name == "numba":
        return _COMPILED
    if name == "numpy":
        return _INTERPRETED
    raise ValueError(f"engine must be 'numba' or 'numpy', not {name!r}")


def warm() -> None:
    """Compile the kernel, or load it, so that no later call waits for it. Takes up to a minute the first time."""
    state = empty(2, 1)
    points = np.zeros((1, 2))
    trace = Trace(np.zeros(1, np.int64), np.zeros(1, np.int64))
    labels, similarities = np.zeros(1, np.int64), np.zeros(1)
    _COMPILED.learn(points, state, Rules(0.71, 1, 0.05, 1e-4), trace, alarms(1))
    _COMPILED.settle(points, state, trace, labels, similarities)
    _COMPILED.judge(points, state, 1.0, labels, similarities)
