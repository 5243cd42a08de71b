"""`/api/auth`: in, on and out, as the anomaly API and the node network have it. One implementation, two shapes: a login
by `username` is answered in the first, one by `identifier` or `email` in the second."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends
from starlette.requests import Request

from ingest_api.accounts import forms, shapes
from ingest_api.accounts.answers import registered_json, tokens_json, user_json
from ingest_api.accounts.cookies import clear_cookie, set_cookie
from ingest_api.accounts.door import door_of
from ingest_api.accounts.logins import Attempt, log_in, log_out
from ingest_api.accounts.outcomes import CONFLICT, NOT_ENOUGH, NOT_YET, UNINVITED
from ingest_api.accounts.registration import Newcomer, register
from ingest_api.auth import authenticated, public
from ingest_api.bodies import read, read_form, takes
from ingest_api.entities.orders import author_of
from ingest_api.families import NEUROGRID
from ingest_api.json import Json
from ingest_api.principal import Principal

router = APIRouter()
BODY = 16 * 1024


@router.post(
    "/api/auth/login",
    response_model=shapes.FamilyLoggedIn,
    responses=NOT_ENOUGH | NOT_YET,
    dependencies=[Depends(public())],
    openapi_extra=takes(forms.FamilyLogin, "application/json", "application/x-www-form-urlencoded"),
)
async def login(request: Request) -> Json:
    """An access token and a refresh token. A browser, which sends an Origin, gets a session cookie as well."""
    given = await read_form(request, forms.FamilyLogin)
    by_identifier = given.username is None
    if by_identifier:
        request.state.envelope = NEUROGRID
    attempt = Attempt(given.name, given.password, given.totp_code, given.remember_me)
    opened = await log_in(door_of(request), request, attempt)
    told = tokens_json(opened)
    if by_identifier:
        told = {"message": "Login successful", **told, "user": user_json(opened.user)}
    answer = Json(told)
    set_cookie(request, answer, opened, remember=given.remember_me)
    return answer


@router.post("/api/auth/logout", response_model=shapes.Message)
async def logout(
    request: Request, principal: Annotated[Principal, Depends(authenticated())], everywhere: bool = False
) -> Json:
    """Ends this session, or all of the user's."""
    await log_out(door_of(request), author_of(request, principal.id), principal, everywhere=everywhere)
    answer = Json({"success": True, "message": "Logged out successfully"})
    clear_cookie(request, answer)
    return answer


@router.post(
    "/api/auth/register",
    status_code=201,
    response_model=shapes.Registered,
    responses=CONFLICT | UNINVITED,
    dependencies=[Depends(public())],
    openapi_extra=takes(forms.Registration),
)
async def registered(request: Request) -> Json:
    """A new user, once the address has been verified by the mail that is sent."""
    given = await read(request, forms.Registration, BODY)
    door = door_of(request)
    newcomer = Newcomer(**given.model_dump())
    user = await register(door, author_of(request, "anonymous"), newcomer)
    wanted = door.settings.verify_email
    message = (
        "Registration successful: verify your address by the mail we sent" if wanted else "Registration successful"
    )
    return Json(registered_json(user, message, verification_required=wanted), 201)
