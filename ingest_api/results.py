"""What became of a request: `GET /api/v1/requests/{request_id}`, told by the domain whose request it is."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends
from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import Request

from ingest_api.auth import authenticated
from ingest_api.grants import Grants
from ingest_api.inquiry import Inquiry, parts_of
from ingest_api.json import Json
from ingest_api.principal import Principal
from ingest_api.problems import FieldError, Invalid, NotFound, Problem
from ingest_api.replies import Replies
from ingest_api.wiring import context_of
from schemas.exchange import Replied
from schemas.position import Position

router = APIRouter(tags=["clustering"])
_NO_REQUEST: dict[int | str, dict[str, Any]] = {404: {"description": "No such request of the caller's"}}
_UNKNOWN: Mapping[str, Any] = {"result": None, "total_points": None, "error": None}

EXAMPLE: dict[str, Any] = {
    "request_id": "req_0123456789abcdef01234567",
    "status": "done",
    "positions": ["points.observed.v1-2-41"],
    "result": {
        "clusters": [
            {
                "id": 1,
                "center": [1.05, 2.05, 3.05],
                "points": [[1.0, 2.0, 3.0], [1.1, 2.1, 3.1]],
                "size": 2,
                "quality": 0.96,
                "created_at": "2025-01-15T10:30:00.000Z",
                "last_updated": "2025-01-15T10:30:00.000Z",
                "total_size": 2,
            }
        ],
        "outliers": [[5.0, 6.0, 7.0]],
        "algorithm_quality": 0.96,
        "total_points": 3,
        "stream": "default",
        "duplicate": False,
        "positions": ["points.observed.v1-2-41"],
    },
    "total_points": 3,
    "error": None,
}
"""Of points, as the clustering domain tells them."""

Caller = Annotated[Principal, Depends(authenticated())]
"""No permission is needed: nobody but its sender and admins is told of a request."""


@dataclass(frozen=True, slots=True)
class Stored:
    """What the warehouse has of a request: who sent it, the stream it is of, one position a record, and counts."""

    sender: str | None
    stream: str | None
    positions: Sequence[Position]
    counts: Mapping[str, Any]


@dataclass(frozen=True)
class Results:
    """How a domain tells what became of its requests.

    - `kinds`: types of the contexts that it keeps with a pending request.
    - `stream`: whose access a caller needs besides having sent the request; None where that is enough.
    - `problem`: a worker's refusal, as the caller's error.
    - `done`: fields of the answer once every reply is there: `result`, `total_points`.
    - `stored`: what the warehouse has of a request that this process does not remember; None where it has nothing.
    """

    kinds: tuple[type, ...]
    stream: Callable[[Any], str | None]
    problem: Callable[[Replied], Problem]
    done: Callable[[Inquiry], Mapping[str, Any]]
    stored: Callable[[str], Awaitable[Stored | None]] | None = None


@dataclass(frozen=True)
class RequestResults:
    """What the route works with: every domain's Results."""

    replies: Replies
    grants: Grants
    results: tuple[Results, ...]
    name: str = "results"

    async def start(self) -> None:
        """Waits for nothing."""

    async def stop(self) -> None:
        """Its parts are stopped by the wiring."""

    def of(self, context: object) -> Results:
        """How a request with this context is told; those of no domain have no result."""
        return next((each for each in self.results if isinstance(context, each.kinds)), PLAIN)

    async def stored(self, request_id: str) -> Stored | None:
        for each in self.results:
            found = None if each.stored is None else await each.stored(request_id)
            if found is not None:
                return found
        return None

    def belongs_to(self, principal: Principal, sender: str | None, stream: str | None) -> bool:
        """Whoever sent it is told as long as the stream is open to them, be it to write alone."""
        if sender != principal.id and not principal.may("admin"):
            return False
        return stream is None or bool(self.grants.access(self.grants.party(principal), stream))


def refused(reply: Replied) -> Problem:
    """A refusal that no domain words."""
    return Invalid([FieldError("body", reply.detail or "")])


PLAIN = Results((), lambda context: None, refused, lambda inquiry: {})


class RequestState(BaseModel):
    model_config = ConfigDict(json_schema_extra={"examples": [EXAMPLE]})

    request_id: str
    status: Annotated[
        Literal["accepted", "unconfirmed", "done", "refused"],
        Field(
            description="accepted: not all answered yet; unconfirmed: nor did the log confirm all of it in time, so it "
            "may have to be sent again; refused: at least one record could not be used."
        ),
    ]
    positions: list[str]
    result: Annotated[dict[str, Any] | None, Field(description="As process_points answers, while it is remembered.")]
    total_points: int | None
    error: dict[str, Any] | None


@router.get("/api/v1/requests/{request_id}", response_model=RequestState, responses=_NO_REQUEST)
async def request_state(request: Request, principal: Caller, request_id: str) -> Json:
    """What became of a request: its result while the process that took it remembers it (15 minutes), its counts as
    soon as its points are in the warehouse and ever after."""
    results = context_of(request, RequestResults, "clustering street")
    parts, inquiry = parts_of(request_id), results.replies.find(request_id)
    if inquiry is not None:
        told = results.of(inquiry.context)
        if results.belongs_to(principal, inquiry.principal, told.stream(inquiry.context)):
            return Json(_remembered(inquiry, told))
    elif parts is not None:
        stored = await results.stored(request_id)
        if stored is not None and results.belongs_to(principal, stored.sender, stored.stream):
            status = "done" if len(stored.positions) >= parts else "accepted"
            return Json(_state(request_id, status, stored.positions, stored.counts))
    raise NotFound("No such request of yours is known, or its points are not stored yet")


def error_of(problem: Problem) -> dict[str, Any]:
    """The `error` object of the documented envelope."""
    return {"code": problem.code, "message": problem.message, "details": problem.details}


def _remembered(inquiry: Inquiry, told: Results) -> dict[str, Any]:
    known: Mapping[str, Any] = {}
    if inquiry.refusal is not None:
        status, known = "refused", {"error": error_of(told.problem(inquiry.refusal))}
    elif inquiry.answered.done():
        status, known = "done", told.done(inquiry)
    else:
        status = "unconfirmed" if inquiry.unconfirmed else "accepted"
    return _state(inquiry.request_id, status, inquiry.positions, known)


def _state(request_id: str, status: str, positions: Sequence[Position], known: Mapping[str, Any]) -> dict[str, Any]:
    shape = {"request_id": request_id, "status": status, "positions": [str(position) for position in positions]}
    return {**shape, **_UNKNOWN, **known}
