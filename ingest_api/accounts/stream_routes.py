"""`/api/v1/streams/{stream}/access`: who owns a stream, and whom it is shown to."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path
from starlette.requests import Request

from ingest_api.accounts import forms, shapes
from ingest_api.accounts.door import AccountsDoor, door_of
from ingest_api.accounts.family import BODY
from ingest_api.accounts.outcomes import CONFLICT, NONE, TAG_UNREADABLE
from ingest_api.auth import may
from ingest_api.bodies import read, takes
from ingest_api.entities.conditions import expected_version
from ingest_api.entities.orders import Rejection, author_of, problem_of_rejection
from ingest_api.json import Json
from ingest_api.principal import Principal
from ingest_api.problems import FieldError, Forbidden, Invalid, NotFound, Problem
from schemas.accounts.roles import ADMINISTRATORS
from schemas.accounts.streams import MAX_KEY, Stream
from schemas.accounts.users import User
from schemas.grants import OPERATOR, Access

router = APIRouter()
Reader = Annotated[Principal, Depends(may("clustering:read"))]
Writer = Annotated[Principal, Depends(may("clustering:write"))]
Name = Annotated[str, Path(max_length=MAX_KEY)]


@router.get("/api/v1/streams/{stream}/access", response_model=shapes.StreamAccess, responses=NONE)
async def access(request: Request, principal: Reader, stream: Name) -> Json:
    """Who owns the stream and whom it is shown to. Its members are told to those who may write to it."""
    door = door_of(request)
    key, held = _held(door, principal, stream)
    return _answer(door, key, held)


@router.patch(
    "/api/v1/streams/{stream}/access",
    response_model=shapes.StreamAccess,
    responses=NONE | CONFLICT | TAG_UNREADABLE,
    openapi_extra=takes(forms.StreamShared),
)
async def share(request: Request, principal: Writer, stream: Name) -> Json:
    """Shows the stream to others, or gives it to another owner. Its owner in a session, and administrators, may."""
    given = await read(request, forms.StreamShared, BODY)
    door = door_of(request)
    key, held = _held(door, principal, stream)
    if Access.MANAGE not in held:
        raise Problem(403, "AUTHORIZATION_ERROR", "The stream's owner and administrators alone may do this")
    if principal.key is not None and not principal.may("admin"):
        raise Forbidden("account:manage")
    fields: dict[str, Any] = {
        "visibility": given.visibility,
        "owner": None if given.owner is None else _party(door, given.owner, "owner"),
        "members": None if given.members is None else [_party(door, each, "members") for each in given.members],
    }
    author, version = author_of(request, principal.id), expected_version(request, given.version)
    try:
        await door.orders.order(author, Stream, key, "share", fields, expected_version=version)
    except Rejection as rejection:
        raise problem_of_rejection(rejection) from None
    return _answer(door, key, Access.READ | Access.WRITE)


def _held(door: AccountsDoor, principal: Principal, name: str) -> tuple[str, Access]:
    """The key, and what the caller may do. One that may not be read is as good as none."""
    grants = door.grants
    key = grants.key_of(principal, name)
    held = grants.access(grants.party(principal), key)
    if Access.READ not in held or not grants.exists(key):
        raise NotFound(f"There is no stream {name}")
    return key, held


def _party(door: AccountsDoor, named: str, field: str) -> str:
    """By name, address or id. What administrators own is the installation's. Raises Invalid."""
    if named == OPERATOR:
        return OPERATOR
    user = door.directory.named(named) or door.directory.user(named)
    if user is None:
        raise Invalid([FieldError(field, f"There is no user {named[:100]!r}")])
    return OPERATOR if ADMINISTRATORS & set(user.roles) else user.id


def _answer(door: AccountsDoor, key: str, held: Access) -> Json:
    stream = door.grants.streams.entries.get(key)
    if stream is None:
        return Json(shapes.StreamAccess(stream=key, name=key, version=None, owner=None, visibility=None).model_dump())
    members = stream.members if Access.WRITE in held else []
    shown = shapes.StreamAccess(
        stream=key,
        name=stream.name,
        version=stream.version,
        owner=_shown(door, stream.owner),
        visibility=stream.visibility.value,
        members=[_shown(door, each) for each in members],
    )
    return Json(shown.model_dump(), headers={"ETag": f'"{stream.version}"'})


def _shown(door: AccountsDoor, party: str) -> shapes.StreamParty:
    user: User | None = door.directory.user(party)
    return shapes.StreamParty(id=party, username=None if user is None else user.username)
