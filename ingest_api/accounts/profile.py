"""`/api/users/profile`, one's password and one's sessions."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends
from starlette.requests import Request

from ingest_api.accounts import forms, shapes
from ingest_api.accounts.answers import session_json, user_json
from ingest_api.accounts.confirm import confirmed
from ingest_api.accounts.door import door_of, themselves
from ingest_api.accounts.family import BODY
from ingest_api.accounts.outcomes import CONFLICT, NOBODYS, NONE
from ingest_api.accounts.registration import seen
from ingest_api.auth import authenticated, may
from ingest_api.bodies import read, takes
from ingest_api.entities.conditions import entity_answer, expected_version
from ingest_api.entities.orders import Rejection, author_of, problem_of_rejection
from ingest_api.json import Json
from ingest_api.principal import Principal
from ingest_api.problems import FieldError, Invalid, NotFound
from pipeline.accounts.letters import password_changed
from pipeline.clock import iso
from schemas.accounts.users import User

router = APIRouter()
Caller = Annotated[Principal, Depends(authenticated())]
Owner = Annotated[Principal, Depends(may("account:manage"))]


@router.get("/api/users/profile", response_model=shapes.ProfileShown, responses=NOBODYS)
async def profile(request: Request, principal: Caller) -> Json:
    """The user behind the credential. Statistics that this server does not measure are null."""
    user = themselves(door_of(request), principal)
    return entity_answer(user, _profile_json(user))


@router.put(
    "/api/users/profile",
    response_model=shapes.ProfileChanged,
    responses=CONFLICT,
    openapi_extra=takes(forms.Profile),
)
async def describe(request: Request, principal: Owner) -> Json:
    """Changes what users say of themselves; what is left out stays."""
    given = await read(request, forms.Profile, BODY)
    door = door_of(request)
    user = themselves(door, principal)
    fields = given.model_dump(exclude_unset=True)
    if "notification_preferences" in fields:
        fields["notification_preferences"] = fields["notification_preferences"] or {}
    try:
        await door.orders.order(
            author_of(request, principal.id),
            User,
            user.id,
            "describe",
            fields,
            expected_version=expected_version(request),
        )
    except Rejection as rejection:
        raise problem_of_rejection(rejection) from None
    after = seen(door, user.id)
    return entity_answer(after, _profile_json(after))


@router.put("/api/users/password", response_model=shapes.Message, openapi_extra=takes(forms.PasswordChange))
async def change_password(request: Request, principal: Owner) -> Json:
    """Ends every other session of the user."""
    given = await read(request, forms.PasswordChange, BODY)
    door = door_of(request)
    user = themselves(door, principal)
    if not await confirmed(door, request, user, given.current_password):
        raise Invalid([FieldError("current_password", "This is not the current password")])
    errors = await door.passwords.check(given.new_password, [user.username, user.email or ""], "new_password")
    if errors:
        raise Invalid(errors)
    hashed = await door.passwords.hash(given.new_password)
    author = author_of(request, principal.id)
    await door.orders.order(author, User, user.id, "set_password", {"password": hashed, "keep": principal.session})
    await door.tell(user, password_changed)
    return Json({"success": True, "message": "The password is changed; other sessions have ended"})


@router.get("/api/users/sessions", response_model=shapes.SessionList)
async def sessions(request: Request, principal: Owner) -> Json:
    """Where the user is logged in."""
    user = themselves(door_of(request), principal)
    return Json({"data": [session_json(session, principal.session) for session in user.sessions]})


@router.delete("/api/users/sessions/{session_id}", response_model=shapes.Message, responses=NONE)
async def end_session(request: Request, principal: Owner, session_id: str) -> Json:
    """Logs out there."""
    door = door_of(request)
    user = themselves(door, principal)
    if user.session(session_id) is None:
        raise NotFound("There is no such session")
    await door.orders.order(author_of(request, principal.id), User, user.id, "close_session", {"id": session_id})
    return Json({"success": True, "message": "The session has ended"})


def _profile_json(user: User) -> dict[str, Any]:
    statistics = {
        "total_tasks": None,
        "completed_tasks": None,
        "total_spent": None,
        "member_since": iso(user.created_at),
    }
    return {"user": user_json(user), "statistics": statistics}
