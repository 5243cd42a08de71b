"""`/api/admin/invitations`: who may register where not everybody may."""

from __future__ import annotations

import secrets
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query
from starlette.requests import Request

from ingest_api.accounts import forms, shapes
from ingest_api.accounts.answers import invitation_json
from ingest_api.accounts.authority import may_administer
from ingest_api.accounts.door import door_of
from ingest_api.accounts.family import BODY
from ingest_api.accounts.outcomes import CONFLICT, NONE
from ingest_api.accounts.policy import check_email
from ingest_api.auth import may
from ingest_api.bodies import read, takes
from ingest_api.entities.listing import MAX_PAGE, page_of
from ingest_api.entities.orders import Rejection, author_of, new_id, problem_of_rejection
from ingest_api.json import Json
from ingest_api.principal import Principal
from ingest_api.problems import Invalid, NotFound
from schemas.accounts.invitations import Invitation
from schemas.accounts.roles import OPEN_ROLES

router = APIRouter()
Reader = Annotated[Principal, Depends(may("users:read"))]
Writer = Annotated[Principal, Depends(may("users:write"))]
Number = Annotated[int, Query(ge=1, le=100_000)]
Size = Annotated[int, Query(ge=1, le=MAX_PAGE)]
HOUR = 3600 * 1_000_000


@router.get("/api/admin/invitations", response_model=shapes.InvitationList)
async def invitations(request: Request, principal: Reader, page: Number = 1, limit: Size = 20) -> Json:
    """Those that have not been used, the oldest first; the expired too, until they are withdrawn."""
    held = door_of(request).invitations.entries.values()
    found = page_of(held, number=page, size=limit, where=lambda _: True, sort=lambda each: (each.created_at, each.id))
    return Json({"data": [invitation_json(each) for each in found.entities], "pagination": found.pagination})


@router.post(
    "/api/admin/invitations",
    status_code=201,
    response_model=shapes.InvitationMade,
    responses=CONFLICT,
    openapi_extra=takes(forms.NewInvitation),
)
async def invite(request: Request, principal: Writer) -> Json:
    """One person may register with it, once, as a `user` or a `node_operator`. It is shown this once; only a keyed hash
    of it is kept."""
    given = await read(request, forms.NewInvitation, BODY)
    if given.email is not None and (errors := check_email(given.email)):
        raise Invalid(errors)
    may_administer(principal, None, OPEN_ROLES)
    door, invitation_id = door_of(request), new_id()
    token = f"{invitation_id}.{secrets.token_urlsafe(32)}"
    expires_at = door.clock() + given.expires_in_hours * HOUR
    made = {
        "digest": door.seals.digest(Invitation.KIND, token),
        "expires_at": expires_at,
        "owner": principal.user,
        "email": given.email,
    }
    await _order(request, principal, invitation_id, "make", made)
    held = door.invitations.entries.get(invitation_id)
    if held is None:
        raise NotFound("The invitation has been used or withdrawn meanwhile")
    return Json(invitation_json(held) | {"invitation": token}, 201)


@router.delete("/api/admin/invitations/{invitation_id}", response_model=shapes.Message, responses=NONE | CONFLICT)
async def withdraw(request: Request, principal: Writer, invitation_id: str) -> Json:
    """Nobody registers with it any more."""
    may_administer(principal, None, OPEN_ROLES)
    await _order(request, principal, invitation_id, "delete", {})
    return Json({"success": True, "message": "The invitation is withdrawn"})


async def _order(
    request: Request, principal: Principal, invitation_id: str, command: str, arguments: dict[str, Any]
) -> None:
    author = author_of(request, principal.id)
    try:
        await door_of(request).orders.order(author, Invitation, invitation_id, command, arguments)
    except Rejection as rejection:
        raise problem_of_rejection(rejection) from None
