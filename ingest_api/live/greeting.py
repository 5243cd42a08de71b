"""The beginning of a WebSocket: where its page is from, who is there, and how one is sent away."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from ingest_api.auth import authenticate, noted, presents_nothing
from ingest_api.envelopes import Renderer
from ingest_api.json import encode
from ingest_api.limits import address_key
from ingest_api.live.bridge import Live, live_of
from ingest_api.origin import origin_allowed
from ingest_api.principal import Principal
from ingest_api.problems import Problem, Unauthenticated
from ingest_api.wiring import wiring_of
from pipeline.clock import iso

log = logging.getLogger("thalweg.live")
FAREWELL = 5.0
FIRST_MESSAGE_SECONDS = 10.0
FIRST_MESSAGE_BYTES = 16 * 1024
WAYS = ("token", "api_key", "ticket")


async def welcome(websocket: WebSocket, permission: str | None = None) -> Principal | None:
    """Who knocks, if that one may come in, and holds the permission where one is given; otherwise the reason is told,
    the socket closed, and None returned. Who shows no credential with the handshake may show one in the first message:
    `{"type": "auth", "token": …}`."""
    live = await live_or_refuse(websocket)
    if live is None:
        return None
    if not origin_allowed(websocket, live.settings.origins):
        log.warning("live: a page of %.100r may not open a WebSocket here", websocket.headers.get("origin"))
        told = "Pages of this origin may not open a WebSocket here; THALWEG_LIVE_ORIGINS lists those that may"
        await refuse(websocket, Problem(403, "AUTHORIZATION_ERROR", told), 1008)
        return None
    try:
        principal = await _authenticated(websocket)
        if permission is not None:
            principal.require(permission)
    except Problem as problem:
        await refuse(websocket, problem, 1008 if problem.status < 429 else 1013)
        return None
    except WebSocketDisconnect:
        return None
    return principal


async def _authenticated(websocket: WebSocket) -> Principal:
    principal: Principal | None = None
    try:
        if not presents_nothing(websocket):
            principal = await authenticate(websocket, query=True)
    finally:
        host = websocket.client.host if websocket.client else None
        caller = principal.account if principal is not None else address_key(host)
        await wiring_of(websocket).limiter.admit(websocket.scope["path"], caller)
    return await _introduced(websocket) if principal is None else principal


async def _introduced(websocket: WebSocket) -> Principal:
    """Whom the first message names. Raises Unauthenticated when it does not come, or names nobody."""
    await accept(websocket)
    try:
        async with asyncio.timeout(FIRST_MESSAGE_SECONDS):
            text = await websocket.receive_text()
    except TimeoutError:
        raise Unauthenticated("Authentication required: no credential came in time") from None
    except KeyError:
        raise Unauthenticated from None  # a binary message
    principal = noted(websocket, await _named(websocket, _first(text)))
    await wiring_of(websocket).limiter.admit(websocket.scope["path"], principal.account)
    await websocket.send_text(encode(auth_success(principal, iso(wiring_of(websocket).clock()))).decode())
    return principal


def auth_success(principal: Principal, timestamp: str) -> dict[str, Any]:
    return {"type": "auth_success", "user_id": principal.user, "id": principal.id, "timestamp": timestamp}


async def check_again(websocket: WebSocket, principal: Principal, message: Mapping[str, Any]) -> None:
    """Of one who says who it is although it is known: what it shows, if anything, must be of the same user. Raises
    Unauthenticated, and Problem 409 where it is another's."""
    if not any(message.get(name) for name in WAYS):
        return
    shown = await _named(websocket, message)
    if shown.account != principal.account:
        raise Problem(409, "CONFLICT", "This socket is another caller's: open one of your own")


def _first(text: str) -> Mapping[str, Any]:
    if len(text) <= FIRST_MESSAGE_BYTES:
        with suppress(ValueError, RecursionError):
            message = json.loads(text)
            if isinstance(message, dict) and message.get("type") in ("auth", "authenticate"):
                return message
    raise Unauthenticated('Authentication required: the first message must be {"type": "auth", "token": …}')


async def _named(websocket: WebSocket, message: Mapping[str, Any]) -> Principal:
    accounts = wiring_of(websocket).accounts
    found = (accounts.principal_for_token, accounts.authenticate_key, accounts.principal_for_ticket)
    for name, way in zip(WAYS, found, strict=True):
        shown = message.get(name)
        if isinstance(shown, str) and shown:
            return await way(shown)
    raise Unauthenticated


async def accept(websocket: WebSocket) -> None:
    """Unless it is already."""
    if websocket.application_state is WebSocketState.CONNECTING:
        await websocket.accept()


async def refuse(websocket: WebSocket, problem: Problem, code: int) -> None:
    """Answers the handshake with the problem, its status and its headers, as any request is. Clients reconnect at once,
    and for ever, to what was opened and then closed. One who was accepted already is told, and closed with `code`."""
    websocket.state.problem = problem
    if websocket.application_state is WebSocketState.CONNECTING:
        renderer: Renderer = websocket.app.state.renderer
        with suppress(WebSocketDisconnect):
            await websocket.send_denial_response(renderer.render(websocket, problem))
        return
    text = encode(error_message(problem, iso(wiring_of(websocket).clock()))).decode()
    with suppress(TimeoutError, WebSocketDisconnect):
        async with asyncio.timeout(FAREWELL):
            await websocket.send({"type": "websocket.send", "text": text})
            await websocket.close(code, problem.code)


def error_message(problem: Problem, timestamp: str) -> dict[str, Any]:
    """As the interface documents it, `details` one string; what REST has there is in `fields`."""
    error = {"code": problem.code, "message": problem.message, "details": problem.detail, "fields": problem.details}
    return {"type": "error", "error": error, "timestamp": timestamp}


async def live_or_refuse(websocket: WebSocket) -> Live | None:
    try:
        return live_of(websocket)
    except Problem as problem:
        await refuse(websocket, problem, 1013)
        return None
