"""`/auth`: in, on and out, as the streaming API and the dashboard have it."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends
from starlette.requests import Request

from ingest_api.accounts import forms, shapes
from ingest_api.accounts.answers import tokens_json
from ingest_api.accounts.cookies import clear_cookie, set_cookie
from ingest_api.accounts.door import door_of
from ingest_api.accounts.logins import TICKET_SECONDS, Attempt, log_in, log_out, refresh, ticket_for
from ingest_api.accounts.outcomes import NOBODYS, NOT_ENOUGH, NOT_GOOD, NOT_YET, Outcomes
from ingest_api.auth import authenticated, public
from ingest_api.bodies import read_form, takes
from ingest_api.entities.orders import author_of
from ingest_api.json import Json
from ingest_api.principal import Principal
from ingest_api.problems import Problem
from ingest_api.wiring import wiring_of
from schemas.permissions import OWN, scopes_of

router = APIRouter()
Caller = Annotated[Principal, Depends(authenticated())]
NO_SESSION: Outcomes = {400: {"description": "The credential is no session's"}}
FORM = ("application/x-www-form-urlencoded", "application/json")
REFRESHING: dict[str, Any] = {
    "response_model": shapes.LoggedIn,
    "responses": NOT_GOOD,
    "dependencies": [Depends(public())],
    "openapi_extra": takes(forms.Refresh, *FORM),
}


@router.post(
    "/auth/login",
    response_model=shapes.LoggedIn,
    responses=NOT_ENOUGH | NOT_YET,
    dependencies=[Depends(public())],
    openapi_extra=takes(forms.Login, *FORM),
)
async def login(request: Request) -> Json:
    """An access token for a user name and a password, sent as a form or as JSON."""
    given = await read_form(request, forms.Login)
    opened = await log_in(door_of(request), request, Attempt(given.username, given.password, given.totp_code))
    answer = Json(tokens_json(opened))
    set_cookie(request, answer, opened)
    return answer


@router.post("/auth/refresh", **REFRESHING)
@router.post("/api/auth/refresh", **REFRESHING)
async def refreshed(request: Request) -> Json:
    """New tokens for a refresh token, which is good once: its second use ends the session. The access token before
    ends."""
    given = await read_form(request, forms.Refresh)
    return Json(tokens_json(await refresh(door_of(request), request, given.refresh_token)))


@router.post("/auth/logout", response_model=shapes.Message)
async def logout(request: Request, principal: Caller, everywhere: bool = False) -> Json:
    """Ends this session, or all of the user's: their tokens are refused by every server within a moment."""
    await log_out(door_of(request), author_of(request, principal.id), principal, everywhere=everywhere)
    answer = Json({"success": True, "message": "Logged out"})
    clear_cookie(request, answer)
    return answer


@router.get("/auth/me", response_model=shapes.Myself)
async def me(request: Request, principal: Caller) -> Json:
    """Who the presented credential stands for, and what it may do."""
    user = door_of(request).directory.user(principal.user or "")
    return Json(
        {
            "id": principal.id,
            "name": principal.name,
            "scope": " ".join(scopes_of(principal.scopes - OWN)),
            "permissions": sorted(principal.scopes),
            "username": principal.name if user is None else user.username,
            "email": None if user is None else user.email,
            "full_name": None if user is None else user.full_name,
            "disabled": False,
            "roles": [] if user is None else user.roles,
        }
    )


@router.get("/auth/csrf-token", response_model=shapes.CsrfToken, responses=NO_SESSION)
async def csrf_token(request: Request, principal: Caller) -> Json:
    """What a page sends as X-CSRF-Token with each write that its session cookie stands for."""
    if principal.session is None:
        raise Problem(400, "VALIDATION_ERROR", "Only a session needs one: a key or a token is proof enough")
    return Json({"csrf_token": wiring_of(request).accounts.csrf_token(principal.session)})


@router.post("/auth/ticket", response_model=shapes.Ticket, responses=NOBODYS)
async def ticket(request: Request, principal: Caller) -> Json:
    """A ticket for one WebSocket or event stream, for 30 seconds: an address that is seen by others holds no token."""
    return Json({"ticket": ticket_for(door_of(request), principal), "expires_in": TICKET_SECONDS})
