"""Figures out: clusters_summary, algorithm_status, and the streams there are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Path, Query
from starlette.requests import HTTPConnection, Request

from ingest_api.auth import may
from ingest_api.clustering import answers, models
from ingest_api.clustering.door import ClusteringDoor, door_of
from ingest_api.clustering.submit import Order, answered, send_order
from ingest_api.json import Json
from ingest_api.principal import Principal
from ingest_api.probes import Health
from ingest_api.problems import Busy, NotFound
from ingest_api.wiring import wiring_of
from schemas.clustering.clusters import Cluster, ClustersUpdated
from schemas.clustering.limits import DEFAULT_STREAM, STREAM_PATTERN
from schemas.clustering.points import Action

router = APIRouter(tags=["clustering"])

Reader = Annotated[Principal, Depends(may("clustering:read"))]
Admin = Annotated[Principal, Depends(may("admin"))]
StreamQuery = Annotated[str, Query(pattern=f"^{STREAM_PATTERN}$")]
StreamPath = Annotated[str, Path(pattern=f"^{STREAM_PATTERN}$")]
ORDER_MS = 10_000


@router.get("/api/v1/clusters_summary", response_model=models.ClustersSummary, responses=models.NO_STREAM)
async def clusters_summary(
    request: Request,
    _principal: Reader,
    stream: StreamQuery = DEFAULT_STREAM,
    min_size: Annotated[int | None, Query(ge=0)] = None,
    quality_threshold: Annotated[float | None, Query(ge=0, le=1, allow_inf_nan=False)] = None,
    cluster_id: Annotated[int | None, Query(ge=1)] = None,
    health_status: Annotated[Literal["healthy", "warning", "critical"] | None, Query()] = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 50,
    offset: Annotated[int, Query(ge=0)] = 0,
) -> Json:
    """The clusters of a stream now, with their learned centroids. All filters given must hold."""
    door = door_of(request)
    entry = await _entry(door, stream)

    def passes(cluster: Cluster) -> bool:
        return (
            (min_size is None or cluster.size >= min_size)
            and (quality_threshold is None or (cluster.quality is not None and cluster.quality >= quality_threshold))
            and (cluster_id is None or cluster.cluster_id == cluster_id)
            and (health_status is None or cluster.health == health_status)
        )

    rows: Sequence[int] = [] if entry is None else [row for row, each in enumerate(entry.clusters) if passes(each)]
    return Json(answers.summary(entry, rows, rows[offset : offset + limit], door.clock()))


@router.get("/api/v1/algorithm_status", response_model=models.AlgorithmStatus, responses=models.NO_STREAM)
async def algorithm_status(request: Request, _principal: Reader, stream: StreamQuery = DEFAULT_STREAM) -> Json:
    """How the stream's model and its worker are doing, as measured. 503 while no worker works."""
    return Json(await status_of(request, await _entry(door_of(request), stream), stream))


async def status_of(connection: HTTPConnection, entry: ClustersUpdated | None, stream: str) -> dict[str, Any]:
    """Raises Busy while no worker works."""
    door = door_of(connection)
    algorithm = (await wiring_of(connection).probes.findings()).components.get("algorithm")
    if algorithm is Health.UNHEALTHY:
        raise Busy("Algorithm not ready: no stream processor is working", 5)
    ready = algorithm is Health.HEALTHY
    return answers.algorithm_status(entry, stream, ready, door.streams.rate(stream), door.clock())


@router.get("/api/v1/streams", response_model=models.StreamList)
async def streams(
    request: Request,
    _principal: Reader,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    offset: Annotated[int, Query(ge=0)] = 0,
) -> Json:
    """Every stream that has a model, by name."""
    entries = await door_of(request).streams.read_all()
    page = sorted(entries)[offset : offset + limit]
    return Json({"streams": [answers.stream_info(entries[name]) for name in page], "total": len(entries)})


@router.get("/api/v1/streams/{stream}", response_model=models.StreamInfo, responses=models.NO_STREAM)
async def one_stream(request: Request, _principal: Reader, stream: StreamPath) -> Json:
    """One stream."""
    entry = await door_of(request).streams.read(stream)
    if entry is None:
        raise NotFound(f"There is no stream {stream}")
    return Json(answers.stream_info(entry))


@router.post("/api/v1/streams/{stream}/reset", response_model=models.Ordered, responses=models.NO_STREAM)
async def reset_stream(request: Request, principal: Admin, stream: StreamPath) -> Json:
    """Forgets what the stream's model has learned, and keeps its algorithm. In order with the stream's points."""
    return await _order(request, principal, stream, Action.RESET, "reset")


@router.delete("/api/v1/streams/{stream}", response_model=models.Ordered, responses=models.NO_STREAM)
async def delete_stream(request: Request, principal: Admin, stream: StreamPath) -> Json:
    """Forgets the stream's model and algorithm. Rows in the warehouse stay."""
    return await _order(request, principal, stream, Action.DELETE, "deleted")


async def _order(request: Request, principal: Principal, stream: str, action: Action, done: str) -> Json:
    door = door_of(request)
    if await door.streams.read(stream) is None:
        raise NotFound(f"There is no stream {stream}")
    reply = (await answered(send_order(door, Order(stream, action, principal.id)), ORDER_MS))[0]
    if action is Action.DELETE:
        await door.streams.gone(stream)
    return Json({"stream": stream, "action": done, "position": str(reply.position)})


async def _entry(door: ClusteringDoor, stream: str) -> ClustersUpdated | None:
    """None only for the default stream, which exists before its first point. Raises NotFound."""
    entry = await door.streams.read(stream)
    if entry is None and stream != DEFAULT_STREAM:
        raise NotFound(f"There is no stream {stream}")
    return entry
