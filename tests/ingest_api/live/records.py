"""Records of the clustering street and frames of them, as tests want them."""

from __future__ import annotations

import numpy as np

from ingest_api.live.cursor import Cursors
from ingest_api.live.layout import Layout
from ingest_api.live.message import Frame, Message
from schemas.clustering.clusters import Cluster, ClustersUpdated, DriftDetected, WorkerFigures
from schemas.clustering.points import OutliersDetected

KEY = b"0123456789abcdef0123456789abcdef"
LAYOUT = Layout({"clusters.updated.v1": 2, "drift.detected.v1": 2})
CURSORS = Cursors((KEY,), LAYOUT)
_FIGURES = WorkerFigures("worker-0", 0, 0, 0, 0, None, None, None, None, None, None)


def cluster(cluster_id: int, *, size: int = 1, changed: bool = True) -> Cluster:
    return Cluster(cluster_id, size, float(size), 0.9, 0.8, "healthy", 0.0, 1_000_000, 2_000_000, changed)


def clusters(stream: str, offset: int, *members: Cluster) -> ClustersUpdated:
    """The clusters of a two-dimensional stream after the input at `offset`; the centre of cluster n is (n, n)."""
    return ClustersUpdated(
        stream=stream,
        source_partition=0,
        source_offset=offset,
        updated_at=3_000_000 + offset,
        created_at=1_000_000,
        algorithm="adaptive",
        dimension=2,
        points=offset,
        batches=offset,
        outliers=0,
        refused=0,
        dynamic_threshold=0.5,
        clustering_quality=0.9,
        global_stability=0.9,
        adaptation_rate=1.0,
        outlier_rate=0.0,
        drift_detected=False,
        drifts=0,
        last_drift_at=None,
        worker=_FIGURES,
        clusters=list(members),
        centers=np.repeat(np.array([float(each.cluster_id) for each in members]), 2),
    )


def drift(stream: str, offset: int, *, ordinal: int = 0) -> DriftDetected:
    return DriftDetected(stream, 0, offset, ordinal, 4_000_000, offset, "fit", 1.5, 0.7, [1], "look at the sensor")


def outliers(stream: str, offset: int, count: int = 1) -> OutliersDetected:
    values = np.arange(2.0 * count)
    return OutliersDetected(stream, 0, offset, None, 5_000_000, 2, list(range(count)), np.zeros(count), values)


def frame(offset: int, *, key: object = None, stream: str = "s", place: int = 0, ends: bool = False) -> Frame:
    """The only message of the record at `offset` of one place; every other place stands at zero."""
    vector = tuple(offset + 1 if each == place else 0 for each in range(len(LAYOUT.places)))
    message = Message(
        "note", stream, 0, {"offset": offset}, key=None if key is None else (stream, key), ends_stream=ends
    )
    return Frame(CURSORS, "clusters", message, vector=vector, place=place, offset=offset, index=0, count=1)
