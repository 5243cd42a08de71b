"""Points as they come in and as they leave, and the answer to a caller."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from schemas.event import Event, shallow

Floats = NDArray[np.float64]
Parameter = bool | int | float | str


class Action(StrEnum):
    LEARN = "LEARN"
    RESET = "RESET"
    DELETE = "DELETE"


@dataclass(frozen=True, slots=True)
class ClusteringConfig:
    algorithm: str | None = None
    parameters: Mapping[str, Parameter] | None = None
    threshold: float | None = None
    max_clusters: int | None = None
    learning_rate: float | None = None


@dataclass(frozen=True, slots=True, eq=False)
class PointsObserved(Event):
    """A batch of points of one stream. `values` is row-major with `dimension` columns."""

    SCHEMA: ClassVar[str] = "points.observed.v1"

    stream: str
    observed_at: int
    dimension: int
    values: Floats
    batch_id: str | None = None
    source: str | None = None
    action: Action = Action.LEARN
    config: ClusteringConfig | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)

    def datum(self) -> dict[str, Any]:
        plain = shallow(self)
        if self.config is not None:
            plain["config"] = shallow(self.config)
        return plain

    @classmethod
    def of(cls, datum: dict[str, Any]) -> Self:
        config = datum["config"]
        datum["config"] = None if config is None else ClusteringConfig(**config)
        datum["action"] = Action(datum["action"])
        return cls(**datum)


def body_of(batches: Sequence[PointsObserved]) -> bytes:
    """The digest (8 bytes) of what these batches ask to be learned: their points and their configuration."""
    digest = hashlib.blake2b(digest_size=8)
    for batch in batches:
        config = None if batch.config is None else shallow(batch.config)
        digest.update(json.dumps([batch.dimension, batch.values.size, config], sort_keys=True, default=dict).encode())
        digest.update(np.ascontiguousarray(batch.values).data)
    return digest.digest()


@dataclass(frozen=True, slots=True, eq=False)
class PointsClustered(Event):
    """What became of one batch. `labels` and `similarities` have one entry a point."""

    SCHEMA: ClassVar[str] = "points.clustered.v1"

    stream: str
    source_partition: int
    source_offset: int
    batch_id: str | None
    request_id: str | None
    source: str | None
    observed_at: int
    processed_at: int
    first_point: int
    dimension: int
    metadata: Mapping[str, str]
    labels: list[int]
    similarities: Floats
    values: Floats


@dataclass(frozen=True, slots=True, eq=False)
class OutliersDetected(Event):
    SCHEMA: ClassVar[str] = "outliers.detected.v1"

    stream: str
    source_partition: int
    source_offset: int
    batch_id: str | None
    detected_at: int
    dimension: int
    indices: list[int]
    similarities: Floats
    values: Floats


@dataclass(frozen=True, slots=True)
class AnsweredCluster:
    cluster_id: int
    size: int
    quality: float | None
    created_at: int
    updated_at: int


@dataclass(frozen=True, slots=True, eq=False)
class PointsAnswered(Event):
    SCHEMA: ClassVar[str] = "points.answered.v1"

    stream: str
    first_point: int
    duplicate: bool
    algorithm_quality: float | None
    processing_ms: float
    clusters: list[AnsweredCluster]
    labels: list[int]
    similarities: Floats

    def datum(self) -> dict[str, Any]:
        return shallow(self) | {"clusters": [shallow(cluster) for cluster in self.clusters]}

    @classmethod
    def of(cls, datum: dict[str, Any]) -> Self:
        return cls(**datum | {"clusters": [AnsweredCluster(**cluster) for cluster in datum["clusters"]]})
