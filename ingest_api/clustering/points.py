"""Points in: process_points, process_batch, and what became of a request."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Query
from starlette.requests import Request

from ingest_api.auth import may
from ingest_api.bodies import takes
from ingest_api.clustering import answers, models
from ingest_api.clustering.bodies import (
    MAX_BATCHES,
    MAX_CONCURRENT,
    Batch,
    Options,
    ProcessBatch,
    ProcessPoints,
    check_config,
    check_points,
    check_stream,
    check_timeout,
    decode,
)
from ingest_api.clustering.door import ClusteringDoor, door_of
from ingest_api.clustering.submit import Work, answered, once_key, refused, send
from ingest_api.gate import new_request_id
from ingest_api.inquiry import Inquiry
from ingest_api.json import Json
from ingest_api.principal import Principal
from ingest_api.problems import Busy, FieldError, Invalid, NotFound, Problem, problem_of
from pipeline.errors import Failure, Unavailable
from schemas.clustering.limits import DEFAULT_STREAM

router = APIRouter(tags=["clustering"])

Writer = Annotated[Principal, Depends(may("clustering:write"))]
Reader = Annotated[Principal, Depends(may("clustering:read"))]
StreamQuery = Annotated[str | None, Query(description="The stream; the body's wins, default where neither names one")]
Once = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=128,
        description="A retry with the same key counts once, among the last 1,024 keyed batches of the stream.",
    ),
]
LEAST_WAIT_MS = 1000
"""Clients that mean seconds send 60 where 60,000 is meant; nobody is helped by an answer after 60 ms."""


@router.post(
    "/api/v1/process_points",
    response_model=models.Processed,
    responses={202: {"model": models.Accepted, "description": "With wait=false or Prefer: respond-async"}},
    openapi_extra=takes(models.ProcessPointsBody),
)
async def process_points(
    request: Request,
    principal: Writer,
    stream: StreamQuery = None,
    wait: Annotated[bool, Query(description="false: answer 202 as soon as the points are in the log")] = True,
    prefer: Annotated[str | None, Header(description="respond-async (RFC 7240) is wait=false")] = None,
    once: Once = None,
) -> Json:
    """Clusters points of one stream and answers with their clusters and outliers."""
    begun = time.perf_counter()
    door = door_of(request)
    body = decode(await request.body(), ProcessPoints)
    work = _work(body, stream, principal, once, door.max_points)
    inquiry = send(door, work)
    if not wait or "respond-async" in (prefer or "").lower():
        return await _accepted(inquiry)
    replies = await answered(inquiry, max(LEAST_WAIT_MS, body.timeout))
    result = answers.points_result(work, replies, door.codec)
    return Json(result | {"processing_time_ms": _since(begun), "request_id": inquiry.request_id})


@router.post(
    "/api/v1/process_batch", response_model=models.ProcessedBatches, openapi_extra=takes(models.ProcessBatchBody)
)
async def process_batch(request: Request, principal: Writer, stream: StreamQuery = None, once: Once = None) -> Json:
    """Many batches in one request, several at a time; each fails or succeeds by itself."""
    begun = time.perf_counter()
    door = door_of(request)
    body = decode(await request.body(), ProcessBatch)
    works = _works(body, stream, principal, once, door.max_points)
    options = body.processing_options
    places = asyncio.Semaphore(options.max_concurrent if options.parallel else 1)

    async def one(batch: Batch, work: Work) -> dict[str, Any]:
        async with places:
            return await _batch_result(door, batch, work, options)

    results = await asyncio.gather(*(one(*pair) for pair in zip(body.batches, works, strict=True)))
    good = sum(result["status"] == "success" for result in results)
    return Json(
        {
            "batch_results": results,
            "total_batches": len(results),
            "successful_batches": good,
            "failed_batches": len(results) - good,
            "total_processing_time_ms": _since(begun),
            "request_id": new_request_id(),
        }
    )


@router.get("/api/v1/requests/{request_id}", response_model=models.RequestState)
async def request_state(request: Request, principal: Reader, request_id: str) -> Json:
    """What became of a request: its result while this process remembers it (15 minutes), its counts ever after."""
    door = door_of(request)
    inquiry = door.replies.find(request_id)
    if inquiry is not None and isinstance(inquiry.context, Work) and _theirs(inquiry.principal, principal):
        return Json(_state(inquiry, inquiry.context, door))
    if inquiry is None:
        rows = await door.reader.request_rows(request_id)
        if rows.batches and _theirs(rows.source, principal):
            positions = [str(position) for position in rows.positions]
            return Json(_shape(request_id, "done", positions, total_points=rows.points))
    raise NotFound(f"No request {request_id[:64]} of yours is known")


def _theirs(owner: str | None, principal: Principal) -> bool:
    return owner == principal.id or principal.may("admin")


def _work(body: ProcessPoints, stream: str | None, principal: Principal, once: str | None, limit: int) -> Work:
    """Raises Invalid with everything that is wrong."""
    name = body.stream or stream or DEFAULT_STREAM
    points, errors = check_points(body.points, "points", limit)
    errors += check_stream(name) + check_config(body.clustering_config) + check_timeout(body.timeout, "timeout")
    if errors or points is None:
        raise Invalid(errors)
    return Work(
        stream=name,
        points=points,
        principal=principal.id,
        once=None if once is None else once_key(principal.id, once),
        config=None if body.clustering_config is None else body.clustering_config.record(),
        metadata=body.metadata,
    )


def _works(
    body: ProcessBatch, stream: str | None, principal: Principal, once: str | None, limit: int
) -> Sequence[Work]:
    """Raises Invalid with everything that is wrong."""
    name, options = body.stream or stream or DEFAULT_STREAM, body.processing_options
    errors = check_stream(name) + check_config(body.clustering_config)
    errors += check_timeout(options.timeout_per_batch, "processing_options.timeout_per_batch")
    if not 1 <= options.max_concurrent <= MAX_CONCURRENT:
        errors.append(FieldError("processing_options.max_concurrent", f"Value must be between 1 and {MAX_CONCURRENT}"))
    if not 0 < len(body.batches) <= MAX_BATCHES:
        errors.append(FieldError("batches", f"1 to {MAX_BATCHES} batches, not {len(body.batches)}"))
    checked = []
    for index, batch in enumerate(body.batches):
        points, wrong = check_points(batch.points, f"batches.{index}.points", limit)
        if not 0 < len(batch.batch_id) <= 128:
            wrong.append(FieldError(f"batches.{index}.batch_id", "A batch id has 1 to 128 characters"))
        errors += wrong
        checked.append((batch.batch_id, points))
    config = None if body.clustering_config is None else body.clustering_config.record()
    key = None if once is None else once_key(principal.id, once)
    works = [Work(name, points, principal.id, key, label, config) for label, points in checked if points is not None]
    if errors or len(works) < len(checked):
        raise Invalid(errors)
    return works


async def _accepted(inquiry: Inquiry) -> Json:
    try:
        positions = await inquiry.accepted()
    except Unavailable:
        raise Busy("The log did not confirm the points", 2, {"request_id": inquiry.request_id}) from None
    location = f"/api/v1/requests/{inquiry.request_id}"
    shape = {
        "request_id": inquiry.request_id,
        "status": "accepted",
        "positions": [str(position) for position in positions],
        "location": location,
    }
    return Json(shape, 202, headers={"Location": location, "Preference-Applied": "respond-async"})


async def _batch_result(door: ClusteringDoor, batch: Batch, work: Work, options: Options) -> dict[str, Any]:
    begun = time.perf_counter()
    shape: dict[str, Any] = {"batch_id": batch.batch_id, "status": "success", "clusters": [], "outliers": []}
    inquiry: Inquiry | None = None
    try:
        inquiry = send(door, work)
        replies = await answered(inquiry, max(LEAST_WAIT_MS, options.timeout_per_batch))
        shape |= answers.points_result(work, replies, door.codec)
    except (Problem, Failure) as error:
        problem = problem_of(error)
        late = inquiry is not None and not inquiry.answered.done() and isinstance(problem, Busy)
        shape["status"] = "timeout" if late else "error"
        shape["error"] = {"code": problem.code, "message": problem.message, "details": problem.details}
    request_id = None if inquiry is None else inquiry.request_id
    return shape | {"processing_time_ms": _since(begun), "request_id": request_id}


def _state(inquiry: Inquiry, work: Work, door: ClusteringDoor) -> dict[str, Any]:
    positions = [str(position) for position in inquiry.positions]
    refusal = inquiry.refusal
    if refusal is not None:
        problem = refused(refusal)
        error = {"code": problem.code, "message": problem.message, "details": problem.details}
        return _shape(inquiry.request_id, "refused", positions, error=error)
    if not inquiry.answered.done():
        return _shape(inquiry.request_id, "accepted", positions)
    replies = [reply for reply in inquiry.replies if reply is not None]
    result = answers.points_result(work, replies, door.codec)
    return _shape(inquiry.request_id, "done", positions, result=result, total_points=result["total_points"])


def _shape(request_id: str, status: str, positions: Sequence[str], **known: Any) -> dict[str, Any]:
    unknown: dict[str, Any] = {"result": None, "total_points": None, "error": None}
    return {"request_id": request_id, "status": status, "positions": positions} | unknown | known


def _since(begun: float) -> float:
    return round((time.perf_counter() - begun) * 1000, 3)
