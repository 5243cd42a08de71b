"""Real data sets with true labels, from the files that River ships: nothing is fetched."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray
from river import datasets


@dataclass(frozen=True, slots=True)
class Dataset:
    """Points in their given order. `columns` are named as River names them, except that their order is the file's."""

    name: str
    about: str
    columns: tuple[str, ...]
    points: NDArray[np.float64]
    """(n, D)"""
    truth: NDArray[np.int64]
    """(n,) index into `classes`"""
    classes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Source:
    about: str
    open: Callable[[], Any]


SOURCES: Mapping[str, Source] = MappingProxyType(
    {
        "shuttle": Source("sensor readings of a space shuttle, 7 % of them anomalous (UCI Statlog)", datasets.Shuttle),
        "segments": Source("patches of outdoor images, seven kinds (UCI Image Segmentation)", datasets.ImageSegments),
    }
)


def load(name: str) -> Dataset:
    """Shuttle is 49,097 × 9, segments 2,310 × 18. Raises KeyError for another name."""
    source = SOURCES[name]
    pairs = list(source.open())
    columns = tuple(pairs[0][0])
    points = np.array([[features[column] for column in columns] for features, _ in pairs], np.float64)
    classes, truth = np.unique(np.array([str(label) for _, label in pairs]), return_inverse=True)
    return Dataset(name, source.about, columns, points, truth.astype(np.int64), tuple(classes.tolist()))
