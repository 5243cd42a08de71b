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
from ingest_api.json import encode
from ingest_api.limits import address_key
from ingest_api.live.bridge import Live, live_of
from ingest_api.live.origin import origin_allowed
from ingest_api.principal import Principal
from ingest_api.problems import Problem, Unauthenticated
from ingest_api.wiring import wiring_of
from pipeline.clock import iso

log = logging.getLogger("thalweg.live")
FAREWELL = 5.0
FIRST_MESSAGE_SECONDS = 10.0
FIRST_MESSAGE_BYTES = 16 * 1024


async def welcome(websocket: WebSocket, permission: str) -> Principal | None:
    """Who knocks, if that one may come in; otherwise the reason is told, the socket closed, and None returned. Who
    shows no credential with the handshake may show one in the first message: `{"type": "auth", "token": …}`."""
    live = await live_or_refuse(websocket)
    if live is None:
        return None
    if not origin_allowed(websocket, live.settings.origins):
        log.warning("live: a page of %.100r may not open a WebSocket here", websocket.headers.get("origin"))
        await websocket.close(1008)  # before it is accepted: the handshake is answered 403
        return None
    try:
        principal = await _authenticated(websocket)
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
    told = {"type": "auth_success", "user_id": principal.user, "id": principal.id}
    await websocket.send_text(encode(told | {"timestamp": iso(wiring_of(websocket).clock())}).decode())
    return principal


def _first(text: str) -> Mapping[str, Any]:
    if len(text) <= FIRST_MESSAGE_BYTES:
        with suppress(ValueError, RecursionError):
            message = json.loads(text)
            if isinstance(message, dict) and message.get("type") in ("auth", "authenticate"):
                return message
    raise Unauthenticated('Authentication required: the first message must be {"type": "auth", "token": …}')


async def _named(websocket: WebSocket, message: Mapping[str, Any]) -> Principal:
    accounts = wiring_of(websocket).accounts
    ways = {
        "token": accounts.principal_for_token,
        "api_key": accounts.authenticate_key,
        "ticket": accounts.principal_for_ticket,
    }
    for name, way in ways.items():
        shown = message.get(name)
        if isinstance(shown, str) and shown:
            return await way(shown)
    raise Unauthenticated


async def accept(websocket: WebSocket) -> None:
    """Unless it is already."""
    if websocket.application_state is WebSocketState.CONNECTING:
        await websocket.accept()


async def refuse(websocket: WebSocket, problem: Problem, code: int) -> None:
    """Accepts, since a browser shows nothing of a refused handshake, tells the problem, and closes."""
    websocket.state.problem = problem
    text = encode(error_message(problem, iso(wiring_of(websocket).clock()))).decode()
    with suppress(TimeoutError, WebSocketDisconnect):
        async with asyncio.timeout(FAREWELL):
            await accept(websocket)
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
