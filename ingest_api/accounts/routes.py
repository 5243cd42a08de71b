"""Logging in, and asking who one is."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends
from pydantic import BaseModel, Field
from starlette.requests import Request

from ingest_api.auth import authenticated, is_local, public
from ingest_api.bodies import read_form, takes
from ingest_api.json import Json
from ingest_api.principal import Principal
from ingest_api.wiring import wiring_of
from schemas.accounts.permissions import scopes_of

router = APIRouter(tags=["accounts"])


class Login(BaseModel):
    username: Annotated[str, Field(min_length=1, max_length=256, examples=["admin"])]
    password: Annotated[str, Field(min_length=1, max_length=1024, examples=["admin123"])]


class LoggedIn(BaseModel):
    access_token: str
    token_type: str = "bearer"
    expires_in: Annotated[int, Field(description="Seconds.", examples=[3600])]
    scope: Annotated[str, Field(examples=["read write admin"])]


class Myself(BaseModel):
    id: Annotated[str, Field(examples=["user:admin"])]
    name: Annotated[str, Field(examples=["admin"])]
    scope: Annotated[str, Field(examples=["read write admin"])]
    permissions: list[str]


@router.post(
    "/auth/login",
    response_model=LoggedIn,
    responses={401: {"description": "The user name or the password is wrong"}},
    dependencies=[Depends(public())],
    openapi_extra=takes(Login, "application/x-www-form-urlencoded", "application/json"),
)
async def login(request: Request) -> Json:
    """An access token for a user name and a password, sent as a form or as JSON."""
    given = await read_form(request, Login)
    accounts = wiring_of(request).accounts
    principal = await accounts.authenticate_password(given.username, given.password, local=is_local(request))
    token = await accounts.token_for(principal)
    return Json(
        {
            "access_token": token.access_token,
            "token_type": "bearer",
            "expires_in": token.expires_in,
            "scope": token.scope,
        }
    )


@router.get("/auth/me", response_model=Myself)
async def me(principal: Annotated[Principal, Depends(authenticated())]) -> Json:
    """Who the presented credential stands for, and what it may do."""
    return Json(
        {
            "id": principal.id,
            "name": principal.name,
            "scope": " ".join(scopes_of(principal.scopes)),
            "permissions": sorted(principal.scopes),
        }
    )
