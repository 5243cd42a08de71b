"""What became of a request."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Depends
from starlette.requests import Request

from ingest_api.auth import authenticated
from ingest_api.clustering import answers, models
from ingest_api.clustering.door import ClusteringDoor, door_of
from ingest_api.clustering.submit import Order, Work, refused
from ingest_api.inquiry import Inquiry, parts_of
from ingest_api.json import Json
from ingest_api.principal import Principal
from ingest_api.problems import NotFound
from schemas.position import Position

router = APIRouter(tags=["clustering"])

Caller = Annotated[Principal, Depends(authenticated())]
"""No permission is needed: nobody but its sender and admins is told of a request."""


@router.get("/api/v1/requests/{request_id}", response_model=models.RequestState, responses=models.NO_REQUEST)
async def request_state(request: Request, principal: Caller, request_id: str) -> Json:
    """What became of a request: its result while the process that took it remembers it (15 minutes), its counts as
    soon as its points are in the warehouse and ever after."""
    door = door_of(request)
    parts = parts_of(request_id)
    inquiry = door.replies.find(request_id)
    if inquiry is not None and _theirs(door, inquiry.principal, _stream_of(inquiry), principal):
        return Json(_remembered(inquiry, door))
    if inquiry is None and parts is not None:
        rows = await door.reader.request_rows(request_id)
        if rows.batches and _theirs(door, rows.source, rows.batches[0].stream, principal):
            status = "done" if len(rows.batches) >= parts else "accepted"
            return Json(_shape(request_id, status, rows.positions, total_points=rows.points))
    raise NotFound("No such request of yours is known, or its points are not stored yet")


def _theirs(door: ClusteringDoor, sender: str | None, stream: str | None, principal: Principal) -> bool:
    """Whoever sent it is told as long as the stream is open to them, be it to write alone."""
    if sender != principal.id and not principal.may("admin"):
        return False
    return stream is None or bool(door.grants.access(door.grants.party(principal), stream))


def _stream_of(inquiry: Inquiry) -> str | None:
    context = inquiry.context
    return context.stream if isinstance(context, Work | Order) else None


def _remembered(inquiry: Inquiry, door: ClusteringDoor) -> dict[str, Any]:
    refusal = inquiry.refusal
    if refusal is not None:
        return _shape_of(inquiry, "refused", error=answers.error_of(refused(refusal)))
    if not inquiry.answered.done():
        return _shape_of(inquiry, "unconfirmed" if inquiry.unconfirmed else "accepted")
    context = inquiry.context
    if isinstance(context, Work):
        replies = [reply for reply in inquiry.replies if reply is not None]
        result = answers.points_result(context, answers.told_of(replies, door.codec))
        return _shape_of(inquiry, "done", result=result, total_points=result["total_points"])
    done = {"stream": context.stream, "action": context.action} if isinstance(context, Order) else None
    return _shape_of(inquiry, "done", result=done)


def _shape_of(inquiry: Inquiry, status: str, **known: Any) -> dict[str, Any]:
    return _shape(inquiry.request_id, status, inquiry.positions, **known)


def _shape(request_id: str, status: str, positions: Sequence[Position], **known: Any) -> dict[str, Any]:
    told = {"request_id": request_id, "status": status, "positions": [str(position) for position in positions]}
    unknown: dict[str, Any] = {"result": None, "total_points": None, "error": None}
    return told | unknown | known
