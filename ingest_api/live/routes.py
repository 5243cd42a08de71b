"""`GET /api/v1/events` and `WS /ws/events`: the live topics, to read."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Header, Query
from starlette.requests import Request
from starlette.websockets import WebSocket

from ingest_api.auth import PROOF_MARK, authenticated
from ingest_api.live.bridge import Live, live_of
from ingest_api.live.cursor import CursorRefused
from ingest_api.live.follow import Opening
from ingest_api.live.greeting import refuse, welcome
from ingest_api.live.sse import EVENTS, EventStream
from ingest_api.live.subscription import interests_in, policy_of, readable
from ingest_api.live.websocket import serve
from ingest_api.principal import Principal
from ingest_api.problems import Problem

router = APIRouter(tags=["live"])


@router.get(EVENTS, response_class=EventStream, response_model=None, status_code=200)
async def events(
    request: Request,
    principal: Annotated[Principal, Depends(authenticated(query=True))],
    topics: Annotated[
        list[str] | None, Query(description="clusters, drift, outliers; all that you may read where none is named")
    ] = None,
    stream: Annotated[list[str] | None, Query(description="Only these streams; repeat it to name several")] = None,
    policy: Annotated[str, Query(description="conflate, drop_oldest or disconnect")] = "conflate",
    snapshot: Annotated[bool, Query(description="Begin with the clusters as they are now")] = False,
    cursor: Annotated[str | None, Query(description="Resume behind this cursor")] = None,
    last_event_id: Annotated[str | None, Query(description="The same, for EventSource substitutes")] = None,
    header_id: Annotated[str | None, Header(alias="Last-Event-ID", description="The same, as browsers do")] = None,
) -> EventStream:
    """Server-sent events. Each carries an id with which any replica resumes; what is lost is told as a `gap`, and so is
    that a cursor cannot be used. Who accepts `text/event-stream` by name, as browsers do, is answered 200 and a
    `bye` with the time to come back instead of 429 and 503, by which an EventSource would end for ever."""
    live = live_of(request)
    interests = interests_in(readable(principal, topics or (), live.watches), stream or ())
    chosen = policy_of(policy)
    # A browser that reconnects sends the header, with the address it began with: the header is the newer.
    newest = (header_id or "").partition(PROOF_MARK)[0]
    opening = opening_at(live, newest or cursor or last_event_id, snapshot)
    subscriber = live.subscriber(principal, interests, chosen)
    return EventStream(live, subscriber, opening, request, principal)


@router.websocket("/ws/events")
async def events_socket(websocket: WebSocket) -> None:
    """The same messages and parameters over WebSocket; what the client sends changes its subscription."""
    principal = await welcome(websocket)
    if principal is None:
        return
    asked = websocket.query_params
    try:
        live = live_of(websocket)
        kinds = readable(principal, asked.getlist("topics"), live.watches)
        interests = interests_in(kinds, asked.getlist("stream"))
        policy = policy_of(asked.get("policy", "conflate"))
        snapshot = asked.get("snapshot", "").lower() in ("1", "true", "yes", "on")
        opening = opening_at(live, asked.get("cursor") or asked.get("last_event_id"), snapshot)
    except Problem as problem:
        await refuse(websocket, problem, 1008)
        return
    await serve(websocket, principal, None, interests, policy=policy, opening=opening)


def opening_at(live: Live, cursor: str | None, snapshot: bool) -> Opening:
    """Behind the cursor, where it is one of ours."""
    if not cursor:
        return Opening(snapshot=snapshot)
    try:
        return Opening(live.cursors.read(cursor), snapshot)
    except CursorRefused as error:
        return Opening(snapshot=snapshot, refused=str(error))
