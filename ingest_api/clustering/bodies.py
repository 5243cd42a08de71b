"""Bodies of the clustering street as they are read from JSON. Unknown keys are let pass."""

from __future__ import annotations

from typing import Any

import msgspec

from schemas.clustering.points import ClusteringConfig

Parameters = dict[str, bool | int | float | str]


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
    metadata: dict[str, Any] | None = None


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
    processing_options: Options | None = None
    clustering_config: Config | None = None
