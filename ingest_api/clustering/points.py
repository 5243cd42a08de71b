"""Points in: process_points and process_batch."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Query
from starlette.requests import Request

from ingest_api.auth import may
from ingest_api.bodies import takes
from ingest_api.clustering import answers, models
from ingest_api.clustering.bodies import Batch, Options, ProcessBatch, ProcessPoints
from ingest_api.clustering.checks import (
    check_config,
    check_label,
    check_metadata,
    check_points,
    check_stream,
    check_timeout,
)
from ingest_api.clustering.door import ClusteringDoor, door_of
from ingest_api.clustering.reading import MAX_BATCHES, read
from ingest_api.clustering.submit import Late, Work, answered, late, once_key, send
from ingest_api.inquiry import Inquiry
from ingest_api.json import Json
from ingest_api.principal import Principal
from ingest_api.problems import Busy, FieldError, Invalid, Problem, problem_of, request_id_of
from ingest_api.results import error_of
from pipeline.errors import Failure, Unavailable
from schemas.clustering.limits import DEFAULT_STREAM

router = APIRouter(tags=["clustering"])

Writer = Annotated[Principal, Depends(may("clustering:write"))]
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
MAX_CONCURRENT = 64
MOST_SECONDS = 600.0
"""A whole process_batch: what has not been sent by then is not sent at all."""


@router.post(
    "/api/v1/process_points",
    response_model=models.Processed,
    responses=models.ACCEPTED | models.TOO_MANY,
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
    body = read(await request.body(), ProcessPoints, door.max_points)
    work = _work(body, stream, principal, once, door.max_points)
    work = replace(work, stream=await door.key_to_write(request, principal, work.stream))
    inquiry = send(door, work)
    _adopt(request, inquiry.request_id)
    preferred = "respond-async" in (prefer or "").lower()
    if preferred or not wait:
        return await _accepted(inquiry, {"Preference-Applied": "respond-async"} if preferred else {})
    try:
        replies = await answered(inquiry, max(LEAST_WAIT_MS, body.timeout))
    except asyncio.CancelledError:  # the server ends before the answer has come: its sender keeps the receipt
        raise late(inquiry, "The server is about to end.") from None
    result = answers.points_result(work, answers.told_of(replies, door.codec))
    return Json(result | {"processing_time_ms": _since(begun), "request_id": inquiry.request_id})


@router.post(
    "/api/v1/process_batch",
    response_model=models.ProcessedBatches,
    responses=models.TOO_MANY,
    openapi_extra=takes(models.ProcessBatchBody),
)
async def process_batch(request: Request, principal: Writer, stream: StreamQuery = None, once: Once = None) -> Json:
    """Many batches in one request, several at a time; each fails or succeeds by itself. They reach the stream in the
    order they have here. `request_id` is this answer's; what became of a batch is found under the batch's own."""
    begun = time.perf_counter()
    door = door_of(request)
    body = read(await request.body(), ProcessBatch, door.max_points)
    options = body.processing_options or Options()
    works = _works(body, options, stream, principal, once, door.max_points)
    key = await door.key_to_write(request, principal, works[0].stream)
    works = [replace(work, stream=key) for work in works]
    places = asyncio.Semaphore(options.max_concurrent if options.parallel else 1)

    async def one(batch: Batch, work: Work) -> dict[str, Any]:
        async with places:
            left = MOST_SECONDS - (time.perf_counter() - begun)
            return await _batch_result(door, batch, work, min(options.timeout_per_batch, int(left * 1000)))

    results = await asyncio.gather(*(one(*pair) for pair in zip(body.batches, works, strict=True)))
    good = sum(result["status"] == "success" for result in results)
    return Json(
        {
            "batch_results": results,
            "total_batches": len(results),
            "successful_batches": good,
            "failed_batches": len(results) - good,
            "total_processing_time_ms": _since(begun),
            "request_id": request_id_of(request),
        }
    )


def _adopt(request: Request, request_id: str) -> None:
    """Headers, errors and logs speak of the request by the id of its inquiry, unless the caller chose another."""
    if "x-request-id" not in request.headers:
        request.scope["state"]["request_id"] = request_id


def _work(body: ProcessPoints, stream: str | None, principal: Principal, once: str | None, limit: int) -> Work:
    """Raises Invalid with everything that is wrong."""
    name = body.stream or stream or DEFAULT_STREAM
    points, errors = check_points(body.points, "points", limit)
    metadata, wrong = check_metadata(body.metadata)
    errors += check_stream(name) + check_config(body.clustering_config) + check_timeout(body.timeout, "timeout") + wrong
    if errors or points is None:
        raise Invalid(errors)
    return Work(
        stream=name,
        points=points,
        principal=principal.id,
        once=None if once is None else once_key(principal.id, once),
        config=None if body.clustering_config is None else body.clustering_config.record(),
        metadata=metadata,
    )


def _works(
    body: ProcessBatch, options: Options, stream: str | None, principal: Principal, once: str | None, limit: int
) -> Sequence[Work]:
    """Raises Invalid with everything that is wrong."""
    name = body.stream or stream or DEFAULT_STREAM
    errors = check_stream(name) + check_config(body.clustering_config) + _wrong_options(options)
    if not 0 < len(body.batches) <= MAX_BATCHES:
        raise Invalid([*errors, FieldError("batches", f"1 to {MAX_BATCHES} batches, not {len(body.batches)}")])
    config = None if body.clustering_config is None else body.clustering_config.record()
    works, seen = [], Counter[str]()
    for index, batch in enumerate(body.batches):
        label = batch.batch_id
        points, wrong = check_points(batch.points, f"batches.{index}.points", limit)
        errors += wrong + check_label(label, f"batches.{index}.batch_id")
        # By label, so that a retry may leave out what has succeeded; labels may repeat within a request.
        key = None if once is None else once_key(principal.id, once, label, seen[label])
        seen[label] += 1
        if points is not None:
            works.append(Work(name, points, principal.id, key, label, config))
    if errors:
        raise Invalid(errors)
    return works


def _wrong_options(options: Options) -> list[FieldError]:
    errors = check_timeout(options.timeout_per_batch, "processing_options.timeout_per_batch")
    if not 1 <= options.max_concurrent <= MAX_CONCURRENT:
        errors.append(FieldError("processing_options.max_concurrent", f"Value must be between 1 and {MAX_CONCURRENT}"))
    return errors


async def _accepted(inquiry: Inquiry, headers: dict[str, str]) -> Json:
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
    return Json(shape, 202, headers={"Location": location} | headers)


async def _batch_result(door: ClusteringDoor, batch: Batch, work: Work, milliseconds: int) -> dict[str, Any]:
    begun = time.perf_counter()
    shape: dict[str, Any] = {"batch_id": batch.batch_id, "status": "success", "clusters": [], "outliers": []}
    shape["request_id"] = None
    try:
        if milliseconds <= 0:
            raise Busy(f"Not sent: the request has taken {MOST_SECONDS:g} s", 1)
        inquiry = send(door, work)
        shape["request_id"] = inquiry.request_id
        replies = await answered(inquiry, max(LEAST_WAIT_MS, milliseconds))
        shape |= answers.points_result(work, answers.told_of(replies, door.codec))
    except (Problem, Failure) as error:
        shape["status"] = "timeout" if isinstance(error, Late) else "error"
        shape["error"] = error_of(problem_of(error))
    return shape | {"processing_time_ms": _since(begun)}


def _since(begun: float) -> float:
    return round((time.perf_counter() - begun) * 1000, 3)
