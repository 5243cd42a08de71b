"""API keys: `/api/users/api-keys`, and the same as `/auth/api-keys`."""

from __future__ import annotations

import secrets
from typing import Annotated, Any

from fastapi import APIRouter, Depends
from starlette.requests import Request

from ingest_api.accounts import forms, shapes
from ingest_api.accounts.answers import key_json
from ingest_api.accounts.door import door_of, themselves
from ingest_api.accounts.family import BODY
from ingest_api.accounts.outcomes import CONFLICT, NONE
from ingest_api.auth import may
from ingest_api.bodies import read, takes
from ingest_api.entities.orders import Rejection, author_of, new_id, problem_of_rejection
from ingest_api.json import Json
from ingest_api.principal import Principal
from ingest_api.problems import FieldError, Forbidden, Invalid, NotFound
from pipeline.clock import iso
from schemas.accounts.keys import Key
from schemas.permissions import OWN, permissions_of, permitted

router = APIRouter()
Owner = Annotated[Principal, Depends(may("account:manage"))]
MAKING: dict[str, Any] = {
    "status_code": 201,
    "response_model": shapes.KeyMade,
    "responses": CONFLICT,
    "openapi_extra": takes(forms.NewKey),
}
DAY = 24 * 3600 * 1_000_000
VISIBLE = 12
"""Characters of a key that its owner is shown later: 8 of its 32 digits."""


@router.get("/api/users/api-keys", response_model=shapes.KeyList)
@router.get("/auth/api-keys", response_model=shapes.KeyList)
async def keys(request: Request, principal: Owner) -> Json:
    """The keys of the user, by how they begin."""
    door = door_of(request)
    shown = [key_json(key) for key in door.directory.keys_of(themselves(door, principal).id)]
    return Json({"data": shown, "api_keys": shown})


@router.post("/api/users/api-keys", **MAKING)
@router.post("/auth/api-keys", **MAKING)
async def make_key(request: Request, principal: Owner) -> Json:
    """A key that may do part of what its owner may. It is shown this once; only a keyed hash of it is kept."""
    given = await read(request, forms.NewKey, BODY)
    door = door_of(request)
    user = themselves(door, principal)
    permissions = _permissions(given, permitted(user.roles) & principal.scopes - OWN)
    key, key_id = f"ncs_{secrets.token_hex(16)}", new_id()
    made = {
        "owner": user.id,
        "name": given.name,
        "prefix": key[:VISIBLE],
        "digest": door.seals.digest("key", key),
        "permissions": permissions,
        "expires_at": door.clock() + given.expires_in_days * DAY,
    }
    try:
        await door.orders.order(author_of(request, principal.id), Key, key_id, "make", made)
    except Rejection as rejection:
        raise problem_of_rejection(rejection) from None
    held = door.directory.keys.entries.get(key_id)
    if held is None:
        raise NotFound("The key has been deleted meanwhile")
    told = {"message": "Keep the key: it is shown this once", "api_key": key, "key": key, "key_info": key_json(held)}
    return Json(told | {"name": held.name, "created_at": iso(held.created_at)}, 201)


@router.delete("/api/users/api-keys/{key_id}", response_model=shapes.Message, responses=NONE)
@router.delete("/auth/api-keys/{key_id}", response_model=shapes.Message, responses=NONE)
async def delete_key(request: Request, principal: Owner, key_id: str) -> Json:
    """The key opens nothing any more."""
    door = door_of(request)
    user = themselves(door, principal)
    if not any(key.id == key_id for key in door.directory.keys_of(user.id)):
        raise NotFound("You have no such key")
    try:
        await door.orders.order(author_of(request, principal.id), Key, key_id, "delete")
    except Rejection as rejection:
        raise problem_of_rejection(rejection) from None
    return Json({"success": True, "message": "The key is deleted"})


def _permissions(given: forms.NewKey, own: frozenset[str]) -> list[str]:
    """A word for several permissions gives those of them that the owner has; a single one must be had."""
    wanted = [*(given.permissions or ()), *(given.scopes or ())] or ["read"]
    try:
        meant = {word: permissions_of([word]) for word in wanted}
    except ValueError as error:
        raise Invalid([FieldError("permissions", str(error))]) from None
    for word, permissions in meant.items():
        if not permissions & own:
            raise Forbidden(word)
    return sorted(frozenset().union(*meant.values()) & own)
