"""Whether a batch can be learned at all: what the door has checked, a producer straight to Kafka has not."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pipeline.outcome import Refuse
from schemas.clustering.limits import (
    LEARNING_RATE,
    MAX_BATCH_ID,
    MAX_CLUSTERS,
    MAX_DIMENSION,
    MAX_METADATA_BYTES,
    MAX_POINTS,
    STREAM,
    STREAM_TOLD,
    THRESHOLD,
)
from schemas.clustering.points import Action, ClusteringConfig, PointsObserved


def check_stream(name: str) -> Refuse | None:
    """None when a stream can be called so."""
    if STREAM.fullmatch(name) is None:
        return Refuse("stream_invalid", f"a stream's name has {STREAM_TOLD}; not {name[:150]!r}")
    return None


def check(event: PointsObserved) -> Refuse | None:
    """None when it can. A LEARN has values, RESET and DELETE have none."""
    unnamed = check_stream(event.stream)
    if unnamed is not None:
        return unnamed
    if event.batch_id is not None and not 0 < len(event.batch_id) <= MAX_BATCH_ID:
        return Refuse("batch_id_invalid", f"a batch id has 1 to {MAX_BATCH_ID} characters")
    if sum(len(name) + len(value) for name, value in event.metadata.items()) > MAX_METADATA_BYTES:
        return Refuse("metadata_too_large", f"metadata has more than {MAX_METADATA_BYTES} characters")
    if event.action is not Action.LEARN:
        return Refuse("values_unexpected", f"a {event.action} carries no values") if event.values.size else None
    return _check_values(event.values, event.dimension) or (None if event.config is None else _check(event.config))


def _check_values(values: NDArray[np.float64], dimension: int) -> Refuse | None:
    if not 1 <= dimension <= MAX_DIMENSION:
        return Refuse("dimension_invalid", f"a point has 1 to {MAX_DIMENSION} numbers, not {dimension}")
    if not values.size or values.size % dimension:
        return Refuse("values_ragged", f"{values.size} numbers are not a whole number of points of {dimension}")
    if values.size // dimension > MAX_POINTS:
        return Refuse("too_many_points", f"a batch has at most {MAX_POINTS} points, not {values.size // dimension}")
    if not np.isfinite(values).all():
        first = int(np.flatnonzero(~np.isfinite(values))[0]) // dimension
        return Refuse("values_not_finite", f"point {first} has a number that is not finite")
    return None


def _check(config: ClusteringConfig) -> Refuse | None:
    for name, value, (low, high) in (
        ("threshold", config.threshold, THRESHOLD),
        ("max_clusters", config.max_clusters, MAX_CLUSTERS),
        ("learning_rate", config.learning_rate, LEARNING_RATE),
    ):
        if value is not None and not low <= value <= high:
            return Refuse("config_invalid", f"{name} is {low} to {high}, not {value}")
    return None
