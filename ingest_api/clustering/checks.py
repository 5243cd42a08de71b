"""Whether what a caller sent can be used: every check of the door, for REST and WebSocket alike.

What passes here a worker does not refuse (`pipeline.clustering.check`), but for what only the stream knows: its
dimension and its algorithm.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from ingest_api.clustering.bodies import Config
from ingest_api.problems import MAX_FIELD_ERRORS, FieldError
from schemas.clustering.limits import (
    LEARNING_RATE,
    MAX_CLUSTERS,
    MAX_DIMENSION,
    MAX_METADATA_BYTES,
    STREAM,
    STREAM_TOLD,
    THRESHOLD,
)

Floats = NDArray[np.float64]

MAX_LABEL = 128
TIMEOUT_MS = (1, 600_000)
CONFIG_BYTES = 4 * 1024
"""As JSON."""
METADATA_BYTES = MAX_METADATA_BYTES - 2 * MAX_LABEL
"""As JSON; a batch's label is added to it."""


def check_points(points: Any, path: str, limit: int) -> tuple[Floats | None, list[FieldError]]:
    """JSON of any kind as (n, D) float64, or None with everything that is wrong with it."""
    try:
        values = np.array(msgspec.convert(points, list[list[float]]), np.float64)
    except (ValueError, OverflowError, RecursionError):  # of another type, or ragged
        return None, list(wrong_points(points, path, limit))
    fits = values.ndim == 2 and 0 < len(values) <= limit and 0 < values.shape[1] <= MAX_DIMENSION
    if fits and np.isfinite(values).all():
        return values, []
    return None, list(wrong_points(points, path, limit))


def check_point(point: Any, path: str) -> tuple[Floats | None, list[FieldError]]:
    """One point, as (1, D)."""
    values, errors = check_points([point], path, 1)
    return values, [FieldError(path, error.message) for error in errors]


def wrong_points(points: Any, path: str, limit: int) -> Iterator[FieldError]:
    """What is wrong with them, point by point; the rest untold where it is very much."""
    if not isinstance(points, list):
        yield FieldError(path, "Must be array of arrays")
        return
    if not points:
        yield FieldError(path, "At least one point is needed")
    if len(points) > limit:
        yield FieldError(path, f"At most {limit} points per request, not {len(points)}")
        return
    dimension: int | None = None
    told = 0
    for index, point in enumerate(points):
        problem = _wrong(point, dimension)
        if problem is not None:
            yield FieldError(f"{path}.{index}", problem)
            told += 1
        if told == MAX_FIELD_ERRORS - 1:
            yield FieldError(path, "More points than these may be wrong")
            return
        if dimension is None and isinstance(point, list) and point:
            dimension = len(point)


def _wrong(point: Any, dimension: int | None) -> str | None:
    if not isinstance(point, list):
        return "Point must be array of numbers"
    if not point:
        return "Point must contain at least 1 dimension"
    if len(point) > MAX_DIMENSION:
        return f"Point must contain at most {MAX_DIMENSION} dimensions, not {len(point)}"
    if not _all_finite(point):
        for number in point:
            if isinstance(number, bool) or not isinstance(number, int | float):
                return "Point must be array of numbers"
            if not _is_finite(number):
                return "Numbers must be finite"
    if dimension is not None and len(point) != dimension:
        return f"Point has {len(point)} dimensions where the first has {dimension}"
    return None


def _all_finite(point: list[Any]) -> bool:
    """The same for all numbers at once, as fast as millions of them need it."""
    try:
        return all(map(math.isfinite, msgspec.convert(point, list[float])))
    except (ValueError, OverflowError, RecursionError):
        return False


def _is_finite(number: float) -> bool:
    try:
        return math.isfinite(number)
    except OverflowError:  # an integer that no float can hold
        return False


def check_stream(stream: str) -> list[FieldError]:
    if STREAM.fullmatch(stream) is None:
        return [FieldError("stream", f"A stream's name has {STREAM_TOLD}")]
    return []


def check_config(config: Config | None) -> list[FieldError]:
    """Whether its numbers are within their bounds, and all of it is short: every record of a batch carries it."""
    if config is None:
        return []
    if len(msgspec.json.encode(config)) > CONFIG_BYTES:
        return [FieldError("clustering_config", f"Must be an object of at most {CONFIG_BYTES} bytes of JSON")]
    bounds = {"threshold": THRESHOLD, "max_clusters": MAX_CLUSTERS, "learning_rate": LEARNING_RATE}
    return [
        FieldError(f"clustering_config.{name}", f"Value must be between {low} and {high}")
        for name, (low, high) in bounds.items()
        if (value := getattr(config, name)) is not None and not low <= value <= high
    ]


def check_timeout(milliseconds: int, field: str) -> list[FieldError]:
    low, high = TIMEOUT_MS
    return [] if low <= milliseconds <= high else [FieldError(field, f"Value must be between {low} and {high} ms")]


def check_label(label: Any, field: str) -> list[FieldError]:
    fits = isinstance(label, str) and 0 < len(label) <= MAX_LABEL
    return [] if fits else [FieldError(field, f"Must be a string of 1 to {MAX_LABEL} characters")]


def check_metadata(given: Any) -> tuple[dict[str, str], list[FieldError]]:
    """A JSON object as a map of strings: values that are none are written as JSON."""
    if given is None:
        return {}, []
    if not isinstance(given, dict) or not _fits(given, METADATA_BYTES):
        return {}, [FieldError("metadata", f"Must be an object of at most {METADATA_BYTES} bytes of JSON")]
    return {name: value if isinstance(value, str) else _json(value) for name, value in given.items()}, []


def _fits(value: Any, most: int) -> bool:
    try:
        return len(msgspec.json.encode(value)) <= most
    except RecursionError:  # what could just be read may be too deep to be written from here
        return False


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()
