"""What is done with a token that came by mail: as JSON by programs, on a small page by people."""

from __future__ import annotations

from html import escape
from typing import Annotated

from fastapi import APIRouter, BackgroundTasks, Depends, Query
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from ingest_api.accounts import forms, shapes
from ingest_api.accounts.door import AccountsDoor, door_of
from ingest_api.accounts.family import BODY
from ingest_api.accounts.registration import forget, reset, send_verification, verify
from ingest_api.accounts.session import FORM
from ingest_api.auth import public
from ingest_api.bodies import read, read_form, takes
from ingest_api.entities.orders import Author, author_of
from ingest_api.json import Json

router = APIRouter()
ANYONE = "anonymous"
_SENT = "If there is such an account, a mail is on its way; if several were sent within the hour, use the last of these"
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; frame-ancestors 'none'"
_STYLE = "body{font:16px/1.5 sans-serif;max-width:26rem;margin:4rem auto}input,button{font:inherit;padding:.4rem}"
MailToken = Annotated[str, Query(max_length=512)]


@router.get("/api/auth/verify-email", response_class=HTMLResponse, dependencies=[Depends(public())])
async def verify_page(token: MailToken) -> HTMLResponse:
    """Where the mail's link leads. Nothing happens before the button is pressed: mail servers look at links, too."""
    return _page("Verify your address", f"{_hidden('token', token)}<button>This is my address</button>")


@router.post(
    "/api/auth/verify-email",
    response_model=shapes.Message,
    dependencies=[Depends(public())],
    openapi_extra=takes(forms.TokenGiven, *FORM),
)
async def verify_email(request: Request) -> Response:
    """The address is the user's, who may log in now."""
    given = await read_form(request, forms.TokenGiven)
    await verify(door_of(request), author_of(request, ANYONE), given.token)
    return _told(request, "The address is verified: you can log in")


@router.post(
    "/api/auth/resend-verification",
    response_model=shapes.Message,
    dependencies=[Depends(public())],
    openapi_extra=takes(forms.Address),
)
async def resend(request: Request, aside: BackgroundTasks) -> Json:
    """The mail again. The answer is the same whether there is such an account or not, and as quick."""
    given = await read(request, forms.Address, BODY)
    aside.add_task(_resend, door_of(request), author_of(request, ANYONE), given.email)
    return Json({"success": True, "message": _SENT}, background=aside)


@router.post(
    "/api/auth/forgot-password",
    response_model=shapes.Message,
    dependencies=[Depends(public())],
    openapi_extra=takes(forms.Address),
)
async def forgot_password(request: Request, aside: BackgroundTasks) -> Json:
    """A mail with a token that sets a new password within the hour. The answer is always the same, and as quick."""
    given = await read(request, forms.Address, BODY)
    aside.add_task(forget, door_of(request), author_of(request, ANYONE), given.email)
    return Json({"success": True, "message": _SENT}, background=aside)


@router.get("/api/auth/reset-password", response_class=HTMLResponse, dependencies=[Depends(public())])
async def reset_page(token: MailToken) -> HTMLResponse:
    """Where the mail's link leads."""
    field = '<p><input name="new_password" type="password" autocomplete="new-password" minlength="8" required></p>'
    return _page("Choose a new password", f"{_hidden('token', token)}{field}<button>Set it</button>")


@router.post(
    "/api/auth/reset-password",
    response_model=shapes.Message,
    dependencies=[Depends(public())],
    openapi_extra=takes(forms.Reset, *FORM),
)
async def reset_password(request: Request) -> Response:
    """Sets the password, and ends every session."""
    given = await read_form(request, forms.Reset)
    await reset(door_of(request), author_of(request, ANYONE), given.token, given.new_password)
    return _told(request, "The password is set: log in with it")


async def _resend(door: AccountsDoor, author: Author, address: str) -> None:
    user = door.directory.named(address)
    if user is not None:
        await send_verification(door, author, user)


def _told(request: Request, message: str) -> Response:
    """As a page to browsers, which ask for one."""
    if "text/html" in request.headers.get("accept", ""):
        return _page(message, "")
    return Json({"success": True, "message": message})


def _hidden(name: str, value: str) -> str:
    return f'<input type="hidden" name="{name}" value="{escape(value)}">'


def _page(title: str, form: str) -> HTMLResponse:
    head = f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title><style>{_STYLE}</style>'
    body = f'<form method="post" action="?">{form}</form>' if form else ""
    page = HTMLResponse(f"{head}<h1>{title}</h1>{body}")
    page.headers["Content-Security-Policy"] = _POLICY
    return page
