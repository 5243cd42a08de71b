"""`/api/webhooks`: addresses that are told of events, and what they were told."""

from __future__ import annotations

import base64
import secrets
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Depends, Query
from starlette.requests import Request

from ingest_api.accounts import forms, shapes
from ingest_api.accounts.answers import delivery_json, webhook_json
from ingest_api.accounts.authority import may_grant
from ingest_api.accounts.door import AccountsDoor, door_of, themselves
from ingest_api.accounts.family import BODY
from ingest_api.accounts.outcomes import CONFLICT, NONE, TAG_UNREADABLE
from ingest_api.auth import may
from ingest_api.bodies import read, takes
from ingest_api.entities.conditions import entity_answer, expected_version
from ingest_api.entities.listing import MAX_PAGE, page_of
from ingest_api.entities.orders import SEEN_SECONDS, Rejection, author_of, new_id, problem_of_rejection
from ingest_api.json import Json
from ingest_api.principal import Principal
from ingest_api.problems import Conflict, FieldError, Invalid, NotFound
from pipeline.clock import iso
from schemas.accounts.webhooks import TEST_EVENT, Delivery, Progress, Webhook
from schemas.catalogue import EVENTS

router = APIRouter()
Reader = Annotated[Principal, Depends(may("webhooks:read"))]
Writer = Annotated[Principal, Depends(may("webhooks:write"))]
Number = Annotated[int, Query(ge=1, le=100_000)]
Size = Annotated[int, Query(ge=1, le=MAX_PAGE)]
MAX_TESTS = 20
"""Of one webhook, that wait."""


@router.get("/api/webhooks", response_model=shapes.WebhookList)
async def webhooks(request: Request, principal: Reader, page: Number = 1, limit: Size = 20) -> Json:
    """One's own, the oldest first."""
    door = door_of(request)
    mine = door.webhooks_of(themselves(door, principal).id)
    found = page_of(mine, number=page, size=limit, where=lambda _: True, sort=lambda webhook: webhook.created_at)
    return Json({"data": [webhook_json(webhook) for webhook in found.entities], "pagination": found.pagination})


@router.post(
    "/api/webhooks",
    status_code=201,
    response_model=shapes.WebhookShown,
    responses=CONFLICT,
    openapi_extra=takes(forms.NewWebhook),
)
async def make_webhook(request: Request, principal: Writer) -> Json:
    """Tells an address of events from now on, all of which the caller may see. The secret, with which it verifies them,
    is shown this once."""
    given = await read(request, forms.NewWebhook, BODY)
    door = door_of(request)
    _check(door, given.url, given.events)
    may_grant(principal, {EVENTS[event] for event in given.events})
    secret = given.secret or f"whsec_{base64.b64encode(secrets.token_bytes(32)).decode()}"
    fields = {
        "owner": themselves(door, principal).id,
        "url": given.url,
        "events": given.events,
        "secret": door.seals.seal(secret),
        "description": given.description,
    }
    webhook_id = new_id()
    await _order(door, request, principal, webhook_id, "make", fields)
    made = _held(door, principal, webhook_id)
    return entity_answer(made, webhook_json(made, secret), 201)


@router.get("/api/webhooks/{webhook_id}", response_model=shapes.WebhookShown, responses=NONE)
async def webhook(request: Request, principal: Reader, webhook_id: str) -> Json:
    """One of one's own."""
    held = _held(door_of(request), principal, webhook_id)
    return entity_answer(held, webhook_json(held))


@router.put(
    "/api/webhooks/{webhook_id}",
    response_model=shapes.WebhookShown,
    responses=CONFLICT | NONE,
    openapi_extra=takes(forms.WebhookChange),
)
async def change_webhook(request: Request, principal: Writer, webhook_id: str) -> Json:
    """Changes what is given, turns it off or, after it was disabled, on again."""
    given = await read(request, forms.WebhookChange, BODY)
    door = door_of(request)
    held = _held(door, principal, webhook_id)
    _check(door, given.url, given.events or [])
    may_grant(principal, {EVENTS[event] for event in (*held.events, *(given.events or ())) if event in EVENTS})
    fields = {
        "url": given.url,
        "events": given.events,
        "secret": None if given.secret is None else door.seals.seal(given.secret),
        "description": given.description,
        "enabled": given.enabled,
    }
    await _order(door, request, principal, held.id, "change", fields, expected_version(request, given.version))
    after = _held(door, principal, held.id)
    return entity_answer(after, webhook_json(after))


@router.delete("/api/webhooks/{webhook_id}", response_model=shapes.Message, responses=NONE | CONFLICT | TAG_UNREADABLE)
async def delete_webhook(request: Request, principal: Writer, webhook_id: str) -> Json:
    """Nothing is sent there any more."""
    door = door_of(request)
    held = _held(door, principal, webhook_id)
    await _order(door, request, principal, held.id, "delete", {}, expected_version(request))
    return Json({"success": True, "message": "The webhook is deleted"})


@router.post(
    "/api/webhooks/{webhook_id}/test", status_code=202, response_model=shapes.DeliveryShown, responses=NONE | CONFLICT
)
async def test_webhook(request: Request, principal: Writer, webhook_id: str) -> Json:
    """Sends a `webhook.test`; what became of it is in the webhook's deliveries."""
    door = door_of(request)
    held = _held(door, principal, webhook_id)
    waiting = (it for it in door.deliveries_of(held.id) if it.event == TEST_EVENT and it.progress is Progress.PENDING)
    if sum(1 for _ in waiting) >= MAX_TESTS:
        raise Conflict(f"{MAX_TESTS} tests of this webhook wait already: see its deliveries", reason="TOO_MANY_TESTS")
    now = door.clock()
    body = msgspec.json.encode({"type": TEST_EVENT, "timestamp": iso(now), "data": {"webhook_id": held.id}})
    delivery = Delivery(f"msg_{secrets.token_hex(16)}", held.id, TEST_EVENT, None, now, Progress.PENDING, now, [], body)
    await door.deliver(delivery)
    # Whoever looks at the list next shall find it there.
    await door.deliveries.until(lambda entries: delivery.id in entries, SEEN_SECONDS)
    return Json(delivery_json(delivery), 202)


@router.get("/api/webhooks/{webhook_id}/deliveries", response_model=shapes.DeliveryList, responses=NONE)
async def deliveries(request: Request, principal: Reader, webhook_id: str, page: Number = 1, limit: Size = 20) -> Json:
    """What was sent, the newest first, with every attempt. What has ended is kept for a week, a hundred at most."""
    door = door_of(request)
    held = _held(door, principal, webhook_id)
    theirs = sorted(door.deliveries_of(held.id), key=lambda delivery: delivery.created_at, reverse=True)
    shown = [delivery_json(delivery) for delivery in theirs[(page - 1) * limit : page * limit]]
    pages = -(-len(theirs) // limit)
    return Json({"data": shown, "pagination": {"page": page, "limit": limit, "total": len(theirs), "pages": pages}})


def _check(door: AccountsDoor, url: str | None, events: list[str]) -> None:
    unknown = sorted(set(events) - set(EVENTS))
    errors = (
        [FieldError("events", f"There is no event {unknown[0]!r}; there are {', '.join(EVENTS)}")] if unknown else []
    )
    if url is not None:
        errors += door.check_url(url)
    if errors:
        raise Invalid(errors)


def _held(door: AccountsDoor, principal: Principal, webhook_id: str) -> Webhook:
    """Another's is as good as none."""
    user = themselves(door, principal)
    held = door.webhooks.entries.get(webhook_id)
    if held is None or held.owner != user.id:
        raise NotFound("You have no such webhook")
    return held


async def _order(
    door: AccountsDoor,
    request: Request,
    principal: Principal,
    webhook_id: str,
    command: str,
    arguments: dict[str, Any],
    version: int | None = None,
) -> None:
    author = author_of(request, principal.id)
    try:
        await door.orders.order(author, Webhook, webhook_id, command, arguments, expected_version=version)
    except Rejection as rejection:
        raise problem_of_rejection(rejection) from None
