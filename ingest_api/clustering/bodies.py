"""Bodies of the clustering street: read fast when they are right, looked through field by field when they are not."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any, TypeVar

import msgspec
import numpy as np
from numpy.typing import NDArray

from ingest_api.problems import FieldError, Invalid, Malformed
from schemas.clustering.limits import (
    LEARNING_RATE,
    MAX_CLUSTERS,
    MAX_DIMENSION,
    STREAM,
    STREAM_PATTERN,
    THRESHOLD,
)
from schemas.clustering.points import ClusteringConfig

Floats = NDArray[np.float64]
T = TypeVar("T")
Parameters = dict[str, bool | int | float | str]

MAX_BATCHES = 1000
MAX_CONCURRENT = 64
TIMEOUT_MS = (1, 600_000)


class Config(msgspec.Struct, frozen=True):
    algorithm: str | None = None
    parameters: Parameters | None = None
    threshold: float | None = None
    max_clusters: int | None = None
    learning_rate: float | None = None

    def record(self) -> ClusteringConfig:
        return ClusteringConfig(self.algorithm, self.parameters, self.threshold, self.max_clusters, self.learning_rate)


class ProcessPoints(msgspec.Struct, frozen=True):
    points: list[list[float]]
    stream: str | None = None
    batch_mode: bool = False
    timeout: int = 30_000
    clustering_config: Config | None = None
    metadata: dict[str, str] | None = None


class Batch(msgspec.Struct, frozen=True):
    batch_id: str
    points: list[list[float]]


class Options(msgspec.Struct, frozen=True):
    parallel: bool = True
    max_concurrent: int = 4
    timeout_per_batch: int = 60_000


class ProcessBatch(msgspec.Struct, frozen=True):
    batches: list[Batch]
    stream: str | None = None
    processing_options: Options = Options()
    clustering_config: Config | None = None


def decode(body: bytes, kind: type[T]) -> T:
    """Raises Malformed for what is no JSON, Invalid with every wrong field. Unknown keys are let pass."""
    try:
        return msgspec.json.decode(body, type=kind)
    except msgspec.ValidationError as error:
        content = _any(body)
        errors = list(_examine(content))
        raise Invalid(errors or [_field_error(error)]) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Malformed(f"The body is not valid JSON: {error}") from None


def check_points(points: list[list[float]], path: str, limit: int) -> tuple[Floats | None, list[FieldError]]:
    """(n, D) float64, or None with everything that is wrong with them."""
    try:
        values = np.array(points, np.float64)
    except ValueError:
        return None, list(_examine_points(points, path, limit))
    fits = values.ndim == 2 and 0 < len(values) <= limit and 0 < values.shape[1] <= MAX_DIMENSION
    if fits and np.isfinite(values).all():
        return values, []
    return None, list(_examine_points(points, path, limit))


def check_stream(stream: str) -> list[FieldError]:
    if STREAM.fullmatch(stream) is None:
        return [FieldError("stream", f"A stream's name matches {STREAM_PATTERN}")]
    return []


def check_config(config: Config | None) -> list[FieldError]:
    """Whether its numbers are within their bounds."""
    if config is None:
        return []
    bounds = {"threshold": THRESHOLD, "max_clusters": MAX_CLUSTERS, "learning_rate": LEARNING_RATE}
    return [
        FieldError(f"clustering_config.{name}", f"Value must be between {low} and {high}")
        for name, (low, high) in bounds.items()
        if (value := getattr(config, name)) is not None and not low <= value <= high
    ]


def check_timeout(milliseconds: int, field: str) -> list[FieldError]:
    low, high = TIMEOUT_MS
    return [] if low <= milliseconds <= high else [FieldError(field, f"Value must be between {low} and {high} ms")]


def _any(body: bytes) -> Any:
    try:
        return msgspec.json.decode(body)
    except msgspec.DecodeError as error:
        raise Malformed(f"The body is not valid JSON: {error}") from None


def _examine(content: Any) -> Iterator[FieldError]:
    """Every wrong field of a body that msgspec refused at its first."""
    if not isinstance(content, dict):
        yield FieldError("body", "Must be an object")
        return
    for name, kind in (("points", ProcessPoints), ("batches", ProcessBatch)):
        if name in content:
            yield from _examine_fields(content, kind, "")
            return
    yield FieldError("points", "Field required")


def _examine_fields(content: Mapping[str, Any], kind: type[Any], prefix: str) -> Iterator[FieldError]:
    for field in msgspec.structs.fields(kind):
        path = f"{prefix}{field.name}"
        if field.name not in content:
            if field.required:
                yield FieldError(path, "Field required")
        elif field.name == "points":
            yield from _examine_points(content["points"], path, None)
        elif field.name == "batches" and isinstance(content["batches"], list):
            for index, batch in enumerate(content["batches"]):
                if isinstance(batch, dict):
                    yield from _examine_fields(batch, Batch, f"{path}.{index}.")
                else:
                    yield FieldError(f"{path}.{index}", "Must be an object with batch_id and points")
        else:
            try:
                msgspec.convert(content[field.name], field.type)
            except msgspec.ValidationError as error:
                yield _field_error(error, path)


def _examine_points(points: Any, path: str, limit: int | None) -> Iterator[FieldError]:
    if not isinstance(points, list):
        yield FieldError(path, "Must be array of arrays")
        return
    if not points:
        yield FieldError(path, "At least one point is needed")
    if limit is not None and len(points) > limit:
        yield FieldError(path, f"At most {limit} points per request, not {len(points)}")
        return
    dimension: int | None = None
    for index, point in enumerate(points):
        problem = _examine_point(point, dimension)
        if problem is not None:
            yield FieldError(f"{path}.{index}", problem)
        if dimension is None and isinstance(point, list) and point:
            dimension = len(point)


def _examine_point(point: Any, dimension: int | None) -> str | None:
    if not isinstance(point, list):
        return "Point must be array of numbers"
    if not point:
        return "Point must contain at least 1 dimension"
    if len(point) > MAX_DIMENSION:
        return f"Point must contain at most {MAX_DIMENSION} dimensions, not {len(point)}"
    for number in point:
        if isinstance(number, bool) or not isinstance(number, int | float):
            return "Point must be array of numbers"
        if not math.isfinite(number):
            return "Numbers must be finite"
    if dimension is not None and len(point) != dimension:
        return f"Point has {len(point)} dimensions where the first has {dimension}"
    return None


def _field_error(error: msgspec.ValidationError, path: str = "") -> FieldError:
    """msgspec says `Expected ... - at `$.a[0].b``; the documented form of a path is a.0.b."""
    message, _, where = str(error).partition(" - at `$")
    inside = where.rstrip("`").replace("[", ".").replace("]", "").strip(".")
    field = ".".join(part for part in (path, inside) if part)
    return FieldError(field or "body", message)
