"""Streams with known truth for judging clusterings: generated from a seed by us and by others, and real ones."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray
from river.datasets import Bananas, Phishing, synth
from sklearn import datasets

from pipeline.learning import streams
from pipeline.learning.datasets import load
from pipeline.learning.streams import Stream

Make = Callable[[int], Stream]


@dataclass(frozen=True)
class Case:
    """One kind of stream; `make(seed)` is one of it. `cap` is the learner's max_clusters there."""

    family: str
    name: str
    make: Make
    cap: int = 30


def structured() -> list[Case]:
    """Streams of the project's own generators, with groups to find."""
    by_dimension: tuple[tuple[str, Callable[..., Stream], tuple[int, ...]], ...] = (
        ("blobs", streams.blobs, (2, 3, 10, 50)),
        ("drifting", streams.drifting, (3, 10, 50)),
        ("evolving", streams.evolving, (3, 10, 50)),
        ("abrupt", streams.abrupt, (3, 10, 50)),
        ("5 % noise", partial(streams.blobs, noise=0.05), (3, 10)),
        ("offset +100", partial(streams.blobs, offset=100.0), (3, 5)),
        ("collinear", streams.collinear, (3,)),
    )
    return [
        Case(family, f"{family} D={dimension}", partial(make, dimension=dimension))
        for family, make, dimensions in by_dimension
        for dimension in dimensions
    ]


def many() -> list[Case]:
    """30 to 60 groups."""
    return [
        Case("30-60 groups", f"{k} groups D={d}", partial(streams.blobs, n=30_000, dimension=d, k=k), cap=100)
        for d, k in ((5, 30), (10, 30), (10, 45), (20, 60))
    ]


def foreign() -> list[Case]:
    """Streams of generators that are not the project's: scikit-learn's and River's."""
    return [
        *(Case("make_blobs", f"make_blobs D={d} k={k}", partial(_blobs, d, k)) for d, k in ((2, 4), (8, 6), (30, 10))),
        Case("make_classification", "make_classification D=8, 4 idle", partial(_classification, 8, 4)),
        Case("make_classification", "make_classification D=33, 30 idle", partial(_classification, 33, 3)),
        *(Case("RandomRBFDrift", f"RandomRBFDrift speed {v:g}", partial(_radial, v)) for v in (0.0, 0.001)),
    ]


def _blobs(dimension: int, k: int, seed: int, n: int = 20_000) -> Stream:
    points, truth = datasets.make_blobs(
        n, n_features=dimension, centers=k, cluster_std=0.6, center_box=(-10.0, 10.0), random_state=seed
    )
    return Stream(np.ascontiguousarray(points), truth.astype(np.int64))


def _classification(dimension: int, informative: int, seed: int, n: int = 20_000) -> Stream:
    points, truth = datasets.make_classification(
        n, n_features=dimension, n_informative=informative, n_redundant=0, n_classes=4, n_clusters_per_class=1,
        flip_y=0.0, class_sep=3.0, random_state=seed,
    )  # fmt: skip
    return Stream(np.ascontiguousarray(points), truth.astype(np.int64))


def _radial(speed: float, seed: int, n: int = 20_000) -> Stream:
    """A class of it is one centroid, of a deviation of its own, in the unit cube."""
    made = synth.RandomRBFDrift(
        seed_model=seed, seed_sample=seed + 1, n_classes=8, n_features=6, n_centroids=8, change_speed=speed,
        n_drift_centroids=8,
    )  # fmt: skip
    return _of(islice(made, n))


def _of(pairs: Iterator[tuple[dict[object, float], object]]) -> Stream:
    rows, targets = zip(*pairs, strict=True)
    points = np.array([list(row.values()) for row in rows], np.float64)
    return Stream(points, np.unique(np.array(targets), return_inverse=True)[1].astype(np.int64))


def real() -> list[Case]:
    """The labelled sets inside scikit-learn and River, each shuffled by the seed."""
    known: dict[str, Callable[[], tuple[NDArray[np.float64], NDArray[np.int64]]]] = {
        **{name: partial(_scikit, name) for name in ("iris", "wine", "digits", "breast_cancer")},
        "segments": partial(_shipped, "segments"),
        "shuttle": partial(_shipped, "shuttle"),
        "phishing": partial(_of_river, Phishing),
        "bananas": partial(_of_river, Bananas),
    }
    return [Case("real", name, partial(_shuffled, read)) for name, read in known.items()]


def _scikit(name: str) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    points, truth = getattr(datasets, f"load_{name}")(return_X_y=True)
    return np.asarray(points, np.float64), truth.astype(np.int64)


def _shipped(name: str) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    found = load(name)
    return found.points, found.truth


def _of_river(kind: Any) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    stream = _of(iter(kind()))
    return stream.points, stream.truth


def _shuffled(read: Callable[[], tuple[NDArray[np.float64], NDArray[np.int64]]], seed: int) -> Stream:
    points, truth = read()
    order = np.random.default_rng(seed).permutation(len(points))[:10_000]
    return Stream(np.ascontiguousarray(points[order]), truth[order])
