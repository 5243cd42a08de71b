"""The topics of the clustering street."""

from __future__ import annotations

from datetime import timedelta

from schemas.clustering.clusters import ClustersUpdated, DriftDetected
from schemas.clustering.points import OutliersDetected, PointsClustered, PointsObserved
from schemas.topic import Producer, Topic

OBSERVED = Topic("points.observed.v1", PointsObserved, "stream", Producer.ANYONE, dead_letters=True, stateful=True)
CLUSTERED = Topic("points.clustered.v1", PointsClustered, "stream", Producer.WORKERS, archived=True)
OUTLIERS = Topic("outliers.detected.v1", OutliersDetected, "stream", Producer.WORKERS, watched=True)
CLUSTERS = Topic(
    "clusters.updated.v1",
    ClustersUpdated,
    "stream",
    Producer.WORKERS,
    retention=timedelta(hours=24),
    compacted=True,
    watched=True,
    archived=True,
)
DRIFT = Topic(
    "drift.detected.v1", DriftDetected, "stream", Producer.WORKERS, timedelta(days=30), watched=True, archived=True
)

TOPICS = (OBSERVED, CLUSTERED, OUTLIERS, CLUSTERS, DRIFT)
