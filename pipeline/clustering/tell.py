"""What a stream's state says to the world: its clusters, its drifts, the answer to a caller."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pipeline.clustering.state import StreamState
from pipeline.learning.learner import Cluster as Promoted
from pipeline.learning.learner import Drift, Judgement, Learner, Status
from pipeline.received import Received, ReceivedAlike
from pipeline.telemetry import Meter
from schemas.alike import Alike
from schemas.clustering.clusters import Cluster, ClustersUpdated, DriftDetected, WorkerFigures
from schemas.clustering.points import (
    AnsweredCluster,
    OutliersDetected,
    PointsAnswered,
    PointsClustered,
    PointsObserved,
)

_NONE = np.empty(0)
_NO_MODEL = Status(
    points=0,
    outliers=0,
    active_clusters=0,
    dynamic_threshold=None,
    clustering_quality=None,
    global_stability=None,
    adaptation_rate=None,
    outlier_rate=None,
    drift_detected=False,
    drifts=0,
    last_drift=None,
)


def clustered(received: Received[PointsObserved], judgement: Judgement, first_point: int, now: int) -> PointsClustered:
    event, position = received.event, received.position
    return PointsClustered(
        stream=event.stream,
        source_partition=position.partition,
        source_offset=position.offset,
        batch_id=event.batch_id,
        request_id=received.raw.request_id,
        source=event.source,
        observed_at=event.observed_at,
        processed_at=now,
        first_point=first_point,
        dimension=event.dimension,
        metadata=event.metadata,
        labels=judgement.labels.tolist(),
        similarities=judgement.similarities,
        values=event.values,
    )


def clustered_alike(
    received: ReceivedAlike[PointsObserved], judgement: Judgement, first_point: int, now: int
) -> Alike[PointsClustered]:
    """`clustered` of each; `judgement` is that of all."""
    count, columns = len(received.offsets), received.alike.columns
    labels, similarities = judgement.labels.reshape(count, -1), judgement.similarities.reshape(count, -1)
    event, size = received.alike.first, labels.shape[1]
    first = PointsClustered(
        stream=event.stream,
        source_partition=received.partition,
        source_offset=int(received.offsets[0]),
        batch_id=event.batch_id,
        request_id=None,
        source=event.source,
        observed_at=event.observed_at,
        processed_at=now,
        first_point=first_point,
        dimension=event.dimension,
        metadata=event.metadata,
        labels=labels[0].tolist(),
        similarities=similarities[0],
        values=event.values,
    )
    return Alike(
        first,
        {
            "source_offset": received.offsets,
            "observed_at": columns["observed_at"],
            "first_point": first_point + size * np.arange(count),
            "labels": labels,
            "similarities": similarities,
            "values": columns["values"],
        },
    )


def outliers(batch: PointsClustered) -> OutliersDetected | None:
    """None when there are none."""
    indices = [index for index, label in enumerate(batch.labels) if label < 0]
    if not indices:
        return None
    return OutliersDetected(
        stream=batch.stream,
        source_partition=batch.source_partition,
        source_offset=batch.source_offset,
        batch_id=batch.batch_id,
        detected_at=batch.processed_at,
        dimension=batch.dimension,
        indices=indices,
        similarities=batch.similarities[indices],
        values=batch.values.reshape(-1, batch.dimension)[indices].ravel(),
    )


def drifted(batch: PointsClustered, drift: Drift, ordinal: int) -> DriftDetected:
    """`ordinal` numbers a batch's drifts from 0."""
    return DriftDetected(
        stream=batch.stream,
        source_partition=batch.source_partition,
        source_offset=batch.source_offset,
        ordinal=ordinal,
        detected_at=batch.processed_at,
        at_point=drift.at,
        signal=drift.signal,
        statistic=drift.statistic,
        severity=drift.severity,
        affected_clusters=list(drift.affected),
        recommendation=_recommendation(drift),
    )


def answer(
    state: StreamState,
    learner: Learner,
    judgement: Judgement,
    milliseconds: float,
    *,
    first_point: int = 0,
    duplicate: bool = False,
) -> PointsAnswered:
    """To whoever sent the batch. A duplicate has no first point."""
    named = set(judgement.labels.tolist())
    clusters = [
        AnsweredCluster(cluster.cluster_id, cluster.size, cluster.quality, *state.lifetime(cluster.cluster_id))
        for cluster in learner.clusters()
        if cluster.cluster_id in named
    ]
    return PointsAnswered(
        stream=state.stream,
        first_point=first_point,
        duplicate=duplicate,
        algorithm_quality=learner.status().clustering_quality,
        processing_ms=milliseconds,
        clusters=clusters,
        labels=judgement.labels.tolist(),
        similarities=judgement.similarities,
    )


def updated(state: StreamState, meter: Meter, now: int) -> ClustersUpdated:
    """All of it, as of the state's last record."""
    learner = state.learner
    clusters = [] if learner is None else list(learner.clusters())
    status = _NO_MODEL if learner is None else learner.status()
    return ClustersUpdated(
        stream=state.stream,
        source_partition=state.partition,
        source_offset=state.offset,
        updated_at=now,
        created_at=state.created_at,
        algorithm="" if state.config is None else state.config.algorithm,
        dimension=0 if learner is None else learner.dimension,
        points=state.points,
        batches=state.batches,
        outliers=status.outliers,
        refused=state.refused,
        dynamic_threshold=status.dynamic_threshold,
        clustering_quality=status.clustering_quality,
        global_stability=status.global_stability,
        adaptation_rate=status.adaptation_rate,
        outlier_rate=status.outlier_rate,
        drift_detected=status.drift_detected,
        drifts=status.drifts,
        last_drift_at=state.last_drift_at,
        worker=_figures(meter),
        clusters=[_cluster(state, cluster) for cluster in clusters],
        centers=np.concatenate([cluster.center for cluster in clusters]) if clusters else _NONE,
    )


def _cluster(state: StreamState, cluster: Promoted) -> Cluster:
    born, touched = state.lifetime(cluster.cluster_id)
    return Cluster(
        cluster_id=cluster.cluster_id,
        size=cluster.size,
        weight=cluster.weight,
        quality=cluster.quality,
        confidence=cluster.confidence,
        health=cluster.health,
        drift_coefficient=cluster.drift_coefficient,
        created_at=born,
        updated_at=touched,
        changed=cluster.cluster_id in state.changed,
    )


def _figures(meter: Meter) -> WorkerFigures:
    p50, p95, p99 = meter.quantiles_ms()
    return WorkerFigures(
        worker=meter.name,
        started_at=meter.started_at,
        memory_bytes=meter.memory_bytes,
        batches=meter.batches,
        points=meter.points,
        last_ms=meter.last_ms,
        mean_ms=meter.mean_ms,
        max_ms=meter.max_ms,
        p50_ms=p50,
        p95_ms=p95,
        p99_ms=p99,
    )


def _recommendation(drift: Drift) -> str:
    clusters: Sequence[int] = drift.affected
    where = f"clusters {', '.join(map(str, clusters))}" if clusters else "the whole stream"
    if drift.severity >= 0.5:
        return f"Most recent points concern {where}: if the source was changed on purpose, reset the stream."
    return f"Look at {where}: the model follows the change by itself within a few hundred points."
