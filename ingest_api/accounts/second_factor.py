"""`/api/auth/2fa`: the second factor on and off."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends
from starlette.requests import Request

from ingest_api.accounts import factor, forms, shapes
from ingest_api.accounts.codes import tried_code
from ingest_api.accounts.confirm import confirmed
from ingest_api.accounts.door import AccountsDoor, door_of, themselves
from ingest_api.accounts.family import BODY
from ingest_api.accounts.outcomes import CONFLICT
from ingest_api.accounts.registration import seen
from ingest_api.auth import may
from ingest_api.bodies import read, takes
from ingest_api.entities.orders import Rejection, author_of, problem_of_rejection
from ingest_api.json import Json
from ingest_api.principal import Principal
from ingest_api.problems import Conflict, FieldError, Invalid
from pipeline.accounts.letters import second_factor_changed
from schemas.accounts.users import User

router = APIRouter()
Owner = Annotated[Principal, Depends(may("account:manage"))]


@router.post("/api/auth/2fa/setup", response_model=shapes.FactorSetup, responses=CONFLICT)
async def setup(request: Request, principal: Owner) -> Json:
    """A secret for an authenticator, and codes for when that is lost. In force once /api/auth/2fa/verify has seen a
    code of it."""
    door = door_of(request)
    user = themselves(door, principal)
    made = factor.set_up(user.username)
    codes = [door.seals.digest("backup", code) for code in made.backup_codes]
    given = {"sealed": door.seals.seal(made.secret), "backup_codes": codes}
    try:
        await door.orders.order(author_of(request, principal.id), User, user.id, "offer_factor", given)
    except Rejection as rejection:
        raise problem_of_rejection(rejection) from None
    return Json({"qr_code": made.qr_code, "secret": made.secret, "backup_codes": made.backup_codes})


@router.post(
    "/api/auth/2fa/verify",
    response_model=shapes.Message,
    responses=CONFLICT,
    openapi_extra=takes(forms.FactorCode),
)
async def verify(request: Request, principal: Owner) -> Json:
    """Turns the second factor on, with its first code."""
    given = await read(request, forms.FactorCode, BODY)
    door = door_of(request)
    user = themselves(door, principal)
    if user.totp_offered is None:
        raise Conflict("Set up the second factor first: POST /api/auth/2fa/setup")
    code = factor.as_made(given.totp_code)
    step = factor.step_of(door.seals.open(user.totp_offered), code, door.clock()) if factor.is_totp(code) else None
    if step is None:
        raise _wrong("totp_code")
    shown = {"sealed": user.totp_offered, "step": step}
    try:
        await door.orders.order(author_of(request, principal.id), User, user.id, "confirm_factor", shown)
    except Rejection as rejection:
        raise problem_of_rejection(rejection) from None
    await door.tell(seen(door, user.id), second_factor_changed, True)
    return Json({"success": True, "message": "The second factor is on"})


@router.post("/api/auth/2fa/disable", response_model=shapes.Message, openapi_extra=takes(forms.FactorOff))
async def disable(request: Request, principal: Owner) -> Json:
    """Turns the second factor off: who holds a session alone cannot, the password and a code are needed."""
    given = await read(request, forms.FactorOff, BODY)
    door = door_of(request)
    user = themselves(door, principal)
    code = factor.as_made(given.totp_code)
    async with tried_code(door, request, user) as tried:
        fits = user.totp is not None and _fits(door, user, code)
        if fits:
            tried.undecided()
        if not await confirmed(door, request, user, given.password, besides=fits):
            raise _wrong("password or totp_code")
    await door.orders.order(author_of(request, principal.id), User, user.id, "remove_factor")
    await door.tell(seen(door, user.id), second_factor_changed, False)
    return Json({"success": True, "message": "The second factor is off"})


def _fits(door: AccountsDoor, user: User, code: str) -> bool:
    if factor.is_totp(code):
        step = factor.step_of(door.seals.open(user.totp or ""), code, door.clock())
        return step is not None and step > user.totp_step
    return factor.is_backup(code) and bool(set(door.seals.digests("backup", code)) & set(user.backup_codes))


def _wrong(field: str) -> Invalid:
    return Invalid([FieldError(field, "This is wrong")])
