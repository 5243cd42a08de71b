"""The topics of the clustering domain."""

from __future__ import annotations

from datetime import timedelta

from schemas.clustering.clusters import ClustersUpdated, DriftDetected
from schemas.clustering.points import OutliersDetected, PointsClustered, PointsObserved
from schemas.topic import Topic, Writer

OBSERVED = Topic("points.observed.v1", PointsObserved, "stream", Writer.ANYONE, dead_letters=True, stateful=True)
CLUSTERED = Topic("points.clustered.v1", PointsClustered, "stream", Writer.WORKERS, archived=True)
OUTLIERS = Topic("outliers.detected.v1", OutliersDetected, "stream", Writer.WORKERS, watched=True)
CLUSTERS = Topic(
    "clusters.updated.v1",
    ClustersUpdated,
    "stream",
    Writer.WORKERS,
    # As long as a subscriber may resume without a gap. Every API process reads all of it when it starts, and a busy
    # stream writes ten records a second.
    retention=timedelta(hours=1),
    compacted=True,
    watched=True,
    archived=True,
)
DRIFT = Topic(
    "drift.detected.v1", DriftDetected, "stream", Writer.WORKERS, timedelta(days=30), watched=True, archived=True
)

TOPICS = (OBSERVED, CLUSTERED, OUTLIERS, CLUSTERS, DRIFT)
