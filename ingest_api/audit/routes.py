"""The audit, read by administrators."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Depends, Query
from pydantic import AwareDatetime, BaseModel, Field
from starlette.requests import HTTPConnection, Request

from ingest_api.audit.recorder import Audit
from ingest_api.auth import may
from ingest_api.json import Json
from ingest_api.problems import FieldError, Invalid
from ingest_api.wiring import context_of
from pipeline.clock import iso
from pipeline.warehouse.audit import MOST, Cursor, Sought, StoredAction, page
from schemas.accounts.traces import Verdict

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
router = APIRouter(tags=["accounts"])


class Action(BaseModel):
    at: Annotated[str, Field(description="Of several alike, the first.")]
    actor: Annotated[str, Field(examples=["user:admin"])]
    action: Annotated[str, Field(examples=["POST /api/v1/process_points"])]
    target: str | None
    verdict: Verdict
    status: Annotated[int | None, Field(description="Of HTTP; null where the log decided.")]
    reason: str | None
    address: str | None
    request_id: str | None
    count: Annotated[int, Field(description="So many alike within a second.")]
    source_partition: Annotated[int | None, Field(description="With source_offset the command that was decided.")]
    source_offset: int | None
    details: dict[str, str]


class CursorPagination(BaseModel):
    limit: int
    next_cursor: Annotated[str | None, Field(description="Null on the last page.")]


class Actions(BaseModel):
    data: list[Action]
    pagination: CursorPagination


@router.get("/api/admin/audit", response_model=Actions, dependencies=[Depends(may("audit:read"))])
async def audit(
    request: Request,
    actor: Annotated[str | None, Query(max_length=256, description="user:…, key:…, address:…")] = None,
    action: Annotated[str | None, Query(max_length=256, description="How it begins: user., DELETE /api/v1")] = None,
    target: Annotated[str | None, Query(max_length=256)] = None,
    verdict: Verdict | None = None,
    address: Annotated[str | None, Query(max_length=64)] = None,
    request_id: Annotated[str | None, Query(max_length=64)] = None,
    since: Annotated[AwareDatetime | None, Query(description="From then on")] = None,
    until: Annotated[AwareDatetime | None, Query(description="Before then")] = None,
    limit: Annotated[int, Query(ge=1, le=MOST)] = 100,
    cursor: Annotated[str | None, Query(max_length=64, description="next_cursor of the page before")] = None,
) -> Json:
    """Who did, or tried to do, what: newest first. Some seconds pass before an action is stored."""
    sought = Sought(actor, action, target, verdict, address, request_id, _moment(since), _moment(until))
    found = await page(_audit_of(request).reader, sought, limit, _cursor(cursor))
    following = None if found.following is None else str(found.following)
    return Json(
        {"data": [_shown(each) for each in found.actions], "pagination": {"limit": limit, "next_cursor": following}}
    )


def _shown(stored: StoredAction) -> dict[str, object]:
    shown = {name: getattr(stored, name) for name in Action.model_fields}
    return shown | {"at": iso(stored.at)}


def _moment(given: datetime | None) -> int | None:
    return None if given is None else (given - _EPOCH) // timedelta(microseconds=1)


def _cursor(text: str | None) -> Cursor | None:
    try:
        return None if text is None else Cursor.parse(text)
    except ValueError as error:
        raise Invalid([FieldError("cursor", str(error))]) from None


def _audit_of(connection: HTTPConnection) -> Audit:
    """Raises Busy where the application keeps none."""
    return context_of(connection, Audit, "audit")
