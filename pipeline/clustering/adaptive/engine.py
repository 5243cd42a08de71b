"""The two ways to run the kernel: compiled by numba, or as it stands on numpy."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from typing import Any, cast

import numpy as np
from numba import njit

from pipeline.clustering.adaptive.distance import OPTIONS
from pipeline.clustering.adaptive.fingerprint import fingerprint
from pipeline.clustering.adaptive.kernel import Entries, entries
from pipeline.clustering.adaptive.machine_code import KernelCache, folders, settle_processor
from pipeline.clustering.adaptive.state import TRACE, Rules, alarms, empty

log = logging.getLogger(__name__)


def compiled_entries(stamp: int) -> Entries:
    """The kernel behind numba. Machine code is read from the first of `folders` that has it, and kept in the first
    that is writable; where none is, each process makes its own."""
    settle_processor()
    plain = entries(stamp)
    return Entries(_compiled(plain.learn, stamp), _compiled(plain.judge, stamp))


def interpreted_entries() -> Entries:
    """The kernel as it stands. Overflows pass silently, as they do in compiled code: far is far."""
    plain = entries(0)
    quiet = np.errstate(all="ignore")
    return Entries(quiet(plain.learn), quiet(plain.judge))


def _compiled(function: Callable[..., Any], stamp: int) -> Callable[..., Any]:
    entry = njit(nogil=True, **OPTIONS)(function)
    entry._cache = KernelCache(function, stamp, folders())  # noqa: SLF001
    return cast(Callable[..., Any], entry)


_COMPILED = compiled_entries(fingerprint())
_INTERPRETED = interpreted_entries()


def engine(name: str) -> Entries:
    """The engine of that name. Raises ValueError for another than `numba` or `numpy`."""
    if name == "numba":
        return _COMPILED
    if name == "numpy":
        return _INTERPRETED
    raise ValueError(f"engine must be 'numba' or 'numpy', not {name!r}")


def warm() -> bool:
    """Compile the kernel, or load it, so that no later call waits for it. Takes about a minute the first time. Returns
    whether all of it had been kept."""
    loaded(_exercise, _COMPILED)
    return not any(sum(entry.stats.cache_misses.values()) for entry in cast(Iterable[Any], _COMPILED))


def loaded(call: Callable[[], None], entries: Iterable[Any]) -> None:
    """Does what makes numba load its machine code. Numba reads what it has kept before it looks whether that is of
    these sources: what names a class that is no more, or was cut short, is forgotten and made anew."""
    try:
        call()
    except Exception as error:
        log.warning("the machine code that was kept cannot be used, and is made anew: %s", error)
        for entry in entries:
            entry._cache.flush()  # noqa: SLF001
        call()


def _exercise() -> None:
    state = empty(2, 1)
    points, trace = np.zeros((1, 2)), np.zeros(1, TRACE)
    labels, similarities = np.zeros(1, np.int64), np.zeros(1)
    _COMPILED.learn(points, 1, state, Rules(0.71, 1, 0.05, 1e-4), trace, alarms(1), labels, similarities)
    _COMPILED.judge(points, state, 1.0, labels, similarities)
