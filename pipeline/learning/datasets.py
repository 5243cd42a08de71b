"""Real data sets with true labels, read from the files that River ships: nothing is fetched.

River itself is not imported: that takes seconds, and whoever starts a command line wants its answer.
"""

from __future__ import annotations

import csv
import gzip
import io
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import distribution
from pathlib import Path
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Dataset:
    """Points in the file's order."""

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
    """A CSV file with a header, whose last column is the class."""

    file: str
    about: str


SOURCES: Mapping[str, Source] = MappingProxyType(
    {
        "shuttle": Source("shuttle.csv.gz", "sensor readings of a space shuttle, 7 % of them anomalous (UCI Statlog)"),
        "segments": Source("segment.csv.zip", "patches of outdoor images, seven kinds (UCI Image Segmentation)"),
    }
)


def load(name: str) -> Dataset:
    """Shuttle is 49,097 × 9, segments 2,310 × 18. Raises KeyError for another name."""
    source = SOURCES[name]
    header, *rows = csv.reader(io.StringIO(_text(source.file)))
    points = np.array([row[:-1] for row in rows], np.float64)
    classes, truth = np.unique(np.array([row[-1] for row in rows]), return_inverse=True)
    return Dataset(name, source.about, tuple(header[:-1]), points, truth.astype(np.int64), tuple(classes.tolist()))


def _text(file: str) -> str:
    raw = Path(str(distribution("river").locate_file(f"river/datasets/{file}"))).read_bytes()
    if file.endswith(".gz"):
        return gzip.decompress(raw).decode()
    with zipfile.ZipFile(io.BytesIO(raw)) as archive:
        return archive.read(archive.namelist()[0]).decode()
