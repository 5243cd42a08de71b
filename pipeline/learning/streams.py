"""Generated streams whose truth is known: what tests and benchmarks learn from. A seed gives the same stream always."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

NOISE = -1
"""The true label of a point that belongs to no group."""


@dataclass(frozen=True, slots=True)
class Stream:
    points: NDArray[np.float64]
    """(n, D)"""
    truth: NDArray[np.int64]
    """(n,) true group of each point, or NOISE."""
    changes: tuple[int, ...] = ()
    """1-based numbers of the points at which the stream changes abruptly."""


def _centers(rng: np.random.Generator, k: int, dimension: int, apart: float, wide: float = 5.0) -> NDArray[np.float64]:
    """k places from N(0, wide^2), drawn again until no two are nearer than `apart` deviations of a group."""
    reach = apart * np.sqrt(dimension / 3.0) if dimension < 3 else apart
    places = [rng.normal(0.0, wide, dimension)]
    tries = 0
    while len(places) < k:
        place = rng.normal(0.0, wide, dimension)
        tries += 1
        if tries > 500 * k or all(np.linalg.norm(place - other) >= reach for other in places):
            places.append(place)
    return np.array(places)


def _with_noise(
    rng: np.random.Generator, points: NDArray[np.float64], truth: NDArray[np.int64], share: float
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    noise = rng.random(len(points)) < share
    low, high = points.min(0) - 2.0, points.max(0) + 2.0
    points[noise] = rng.uniform(low, high, (int(noise.sum()), points.shape[1]))
    truth[noise] = NOISE
    return points, truth


def blobs(
    seed: int,
    n: int = 20_000,
    dimension: int = 3,
    k: int = 5,
    noise: float = 0.0,
    offset: float = 0.0,
    wide: float = 5.0,
    apart: float = 5.0,
) -> Stream:
    """k Gaussian groups of deviation 1 at fixed places: a stationary stream."""
    rng = np.random.default_rng(seed)
    centers = _centers(rng, k, dimension, apart, wide)
    truth = rng.integers(0, k, n)
    points = centers[truth] + rng.normal(0.0, 1.0, (n, dimension)) + offset
    return Stream(*_with_noise(rng, points, truth, noise))


def unimodal(seed: int, n: int = 20_000, dimension: int = 10) -> Stream:
    """One Gaussian with correlated axes: there is nothing to separate."""
    rng = np.random.default_rng(seed)
    mixing = np.eye(dimension) + 0.3 * rng.normal(size=(dimension, dimension)) / np.sqrt(dimension)
    return Stream(rng.normal(size=(n, dimension)) @ mixing, np.zeros(n, np.int64))


def drifting(seed: int, n: int = 20_000, dimension: int = 10, k: int = 5, travel: float = 6.0) -> Stream:
    """Groups that each move `travel` deviations in a straight line over the stream: gradual drift."""
    rng = np.random.default_rng(seed)
    centers = _centers(rng, k, dimension, 6.0)
    ways = rng.normal(size=(k, dimension))
    ways *= travel / np.linalg.norm(ways, axis=1, keepdims=True)
    truth = rng.integers(0, k, n)
    along = np.linspace(0.0, 1.0, n)[:, None]
    return Stream(centers[truth] + along * ways[truth] + rng.normal(0.0, 1.0, (n, dimension)), truth)


def abrupt(
    seed: int, n: int = 20_000, dimension: int = 10, k: int = 5, changes: int = 3, wide: float = 5.0, apart: float = 5.0
) -> Stream:
    """All groups move to new places at once, `changes` times, evenly spaced."""
    rng = np.random.default_rng(seed)
    era = np.arange(n) * (changes + 1) // n
    group = rng.integers(0, k, n)
    centers = np.stack([_centers(rng, k, dimension, apart, wide) for _ in range(changes + 1)])
    points = centers[era, group] + rng.normal(0.0, 1.0, (n, dimension))
    starts = np.flatnonzero(np.diff(era)) + 2
    return Stream(points, group + k * era, tuple(int(start) for start in starts))


def evolving(seed: int, n: int = 20_000, dimension: int = 10, k: int = 8, alive: int = 5) -> Stream:
    """Groups come and go one at a time, `alive` of k being seen at any."""
    rng = np.random.default_rng(seed)
    centers = _centers(rng, k, dimension, 5.0)
    oldest = np.arange(n) * (k - alive + 1) // n
    truth = oldest + rng.integers(0, alive, n)
    return Stream(centers[truth] + rng.normal(0.0, 1.0, (n, dimension)), truth)


def diluted(seed: int, n: int = 20_000, informative: int = 5, irrelevant: int = 15, k: int = 5) -> Stream:
    """Groups in a few dimensions among many of mere noise of about the same deviation."""
    rng = np.random.default_rng(seed)
    inner = blobs(seed, n, informative, k)
    noise = rng.normal(0.0, float(inner.points.std()), (n, irrelevant))
    return Stream(np.hstack([inner.points, noise]), inner.truth)


def collinear(seed: int, n: int = 20_000, dimension: int = 3, k: int = 3) -> Stream:
    """Groups that differ in magnitude only, along one ray: blind to the cosine."""
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, k, n)
    centers = (10.0 * (1 + np.arange(k)))[:, None] * np.ones(dimension)
    return Stream(centers[truth] + rng.normal(0.0, 1.0, (n, dimension)), truth)


STRUCTURED: Mapping[str, Callable[[], Stream]] = MappingProxyType(
    {
        **{f"blobs D={d}": partial(blobs, d, dimension=d) for d in (2, 3, 10, 50)},
        "blobs D=20 k=12": partial(blobs, 7, dimension=20, k=12),
        "noise 5 % D=3": partial(blobs, 8, dimension=3, noise=0.05),
        "noise 5 % D=10": partial(blobs, 9, dimension=10, noise=0.05),
        "offset +100 D=5": partial(blobs, 10, dimension=5, offset=100.0),
        **{f"drifting D={d}": partial(drifting, d, dimension=d) for d in (3, 10, 50)},
        **{f"evolving D={d}": partial(evolving, d, dimension=d) for d in (3, 10, 50)},
        **{f"abrupt D={d}": partial(abrupt, d, dimension=d) for d in (3, 10, 50)},
        "collinear D=3": partial(collinear, 11),
    }
)
"""Streams with groups to find, by name."""
