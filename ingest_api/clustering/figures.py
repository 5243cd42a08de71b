"""Figures out: clusters_summary, algorithm_status, and the streams there are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal

import psutil
from fastapi import APIRouter, Depends, Path, Query
from starlette.requests import HTTPConnection, Request

from ingest_api.auth import may
from ingest_api.clustering import answers, models
from ingest_api.clustering.door import ClusteringDoor, door_of
from ingest_api.clustering.submit import Order, answered, send_order
from ingest_api.entities.orders import Author
from ingest_api.grants import reads
from ingest_api.json import Json
from ingest_api.principal import Principal
from ingest_api.probes import Health
from ingest_api.problems import Busy, NotFound, Problem
from ingest_api.wiring import wiring_of
from schemas.clustering.clusters import Cluster, ClustersUpdated
from schemas.clustering.limits import DEFAULT_STREAM, STREAM_PATTERN
from schemas.clustering.points import Action
from schemas.grants import Access

router = APIRouter(tags=["clustering"])

Reader = Annotated[Principal, Depends(may("clustering:read"))]
Writer = Annotated[Principal, Depends(may("clustering:write"))]
StreamQuery = Annotated[str, Query(pattern=f"^{STREAM_PATTERN}$")]
StreamPath = Annotated[str, Path(pattern=f"^{STREAM_PATTERN}$")]
ORDER_MS = 10_000
_PROCESS = psutil.Process()


@router.get("/api/v1/clusters_summary", response_model=models.ClustersSummary, responses=models.NO_STREAM)
async def clusters_summary(
    request: Request,
    principal: Reader,
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
    _, entry = await _entry(door, principal, stream)

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
async def algorithm_status(request: Request, principal: Reader, stream: StreamQuery = DEFAULT_STREAM) -> Json:
    """How the stream's model and its worker are doing, as measured. 503 while no worker works."""
    key, entry = await _entry(door_of(request), principal, stream)
    return Json(await status_of(request, entry, key))


async def status_of(connection: HTTPConnection, entry: ClustersUpdated | None, stream: str) -> dict[str, Any]:
    """Raises Busy while no worker works."""
    door = door_of(connection)
    algorithm = (await wiring_of(connection).probes.findings()).components.get("algorithm")
    if algorithm is Health.UNHEALTHY:
        raise Busy("Algorithm not ready: no stream processor is working", 5)
    ready = algorithm is Health.HEALTHY
    host = answers.Host(_PROCESS.memory_info().rss, connection.app.state.opened_at)
    return answers.algorithm_status(entry, stream, ready, door.streams.rate(stream), door.clock(), host)


@router.get("/api/v1/streams", response_model=models.StreamList)
async def streams(
    request: Request,
    principal: Reader,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    offset: Annotated[int, Query(ge=0)] = 0,
) -> Json:
    """Every stream that has a model and that the caller may read, by key."""
    door = door_of(request)
    entries, party = await door.streams.read_all(), door.grants.party(principal)
    shown = sorted(key for key in entries if reads(door.grants, party, key))
    page = shown[offset : offset + limit]
    return Json({"streams": [answers.stream_info(entries[key]) for key in page], "total": len(shown)})


@router.get("/api/v1/streams/{stream}", response_model=models.StreamInfo, responses=models.NO_STREAM)
async def one_stream(request: Request, principal: Reader, stream: StreamPath) -> Json:
    """One stream."""
    _, entry = await door_of(request).read(principal, stream)
    if entry is None:
        raise NotFound(f"There is no stream {stream}")
    return Json(answers.stream_info(entry))


@router.post("/api/v1/streams/{stream}/reset", response_model=models.Ordered, responses=models.NO_STREAM)
async def reset_stream(request: Request, principal: Writer, stream: StreamPath) -> Json:
    """Forgets what the stream's model has learned, and keeps its algorithm. In order with the stream's points."""
    return await _order(request, principal, stream, Action.RESET, "reset")


@router.delete("/api/v1/streams/{stream}", response_model=models.Ordered, responses=models.NO_STREAM)
async def delete_stream(request: Request, principal: Writer, stream: StreamPath) -> Json:
    """Forgets the stream's model and algorithm. Rows in the warehouse stay."""
    return await _order(request, principal, stream, Action.DELETE, "deleted")


async def _order(request: Request, principal: Principal, stream: str, action: Action, done: str) -> Json:
    """Raises NotFound for what the caller may not know of, Problem 403 where it may not do this."""
    door = door_of(request)
    key = door.grants.key_of(principal, stream)
    held = door.grants.access(door.grants.party(principal), key)
    if not held or await door.streams.read(key) is None:
        raise NotFound(f"There is no stream {stream}")
    if Access.MANAGE not in held:
        raise Problem(403, "AUTHORIZATION_ERROR", "The stream's owner and administrators alone may do this")
    reply = (await answered(send_order(door, Order(key, action, principal.id)), ORDER_MS))[0]
    if action is Action.DELETE:
        await door.streams.gone(key)
        await door.grants.retire(Author(principal.id, request.client.host if request.client else None), key)
    return Json({"stream": key, "action": done, "position": str(reply.position)})


async def _entry(door: ClusteringDoor, principal: Principal, stream: str) -> tuple[str, ClustersUpdated | None]:
    """Its key, and None only for the default stream, which exists before its first point. Raises NotFound."""
    key, entry = await door.read(principal, stream)
    if entry is None and stream != DEFAULT_STREAM:
        raise NotFound(f"There is no stream {stream}")
    return key, entry
