"""The clustering domain in the API."""

from __future__ import annotations

from ingest_api.clustering import results
from ingest_api.clustering.door import ClusteringDoor
from ingest_api.clustering.live import WATCHES
from ingest_api.clustering.routes import router
from ingest_api.clustering.streams import Streams
from ingest_api.domain import Domain, Opened, Shared
from ingest_api.limits import Limit

_POINTS = Limit("process_points", 100, 2_000)


def open_clustering(shared: Shared) -> Opened:
    streams = Streams(shared.kafka, shared.codec, shared.clock, shared.api.ordinal)
    shared.births.add(streams.born)
    context = ClusteringDoor(
        shared.gate,
        shared.replies,
        streams,
        shared.granted(),
        shared.reader,
        shared.codec,
        shared.clock,
        shared.api.max_points,
    )
    return Opened((streams,), (context,), {"clusters": streams.view}, results.of(context))


DOMAIN = Domain(
    "clustering",
    router,
    open_clustering,
    limits={
        "/api/v1/process_points": _POINTS,
        "/api/v1/process_batch": _POINTS,  # a batch is no way around the limit on points
        "/api/v1/clusters_summary": Limit("clusters_summary", 300, 5_000),
        "/api/v1/algorithm_status": Limit("algorithm_status", 600, 10_000),
    },
    watches=WATCHES,
)
