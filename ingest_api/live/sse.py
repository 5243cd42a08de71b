"""Server-sent events (WHATWG HTML, 9.2): what a subscriber follows, as an event stream."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from functools import partial

from sse_starlette.sse import AppStatus, EventSourceResponse, SendTimeoutError
from starlette.requests import HTTPConnection, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from ingest_api.auth import PROOF_MARK
from ingest_api.live.bridge import Live
from ingest_api.live.credential import keep_checking
from ingest_api.live.follow import RETRY_MS, Opening, follow
from ingest_api.live.framing import Wire
from ingest_api.live.message import Outgoing
from ingest_api.live.subscriber import SLOW, Subscriber
from ingest_api.live.subscription import needed
from ingest_api.outlet import outlet_of
from ingest_api.principal import Principal
from ingest_api.problems import Problem
from ingest_api.wiring import wiring_of

log = logging.getLogger("thalweg.live")

# The library patches uvicorn to cut every stream of the process, for ever, at the first signal any server in it gets.
# Here streams end by Live.drain, with a farewell, and only those of the server that goes.
AppStatus.enable_automatic_graceful_drain = False


EVENTS = "/api/v1/events"
_PASSING = frozenset({429, 503})
Ids = Callable[[Outgoing], str | None]


class EventStream(EventSourceResponse):
    """Follows until the client leaves, the subscriber is sent away, or a write takes too long."""

    media_type = "text/event-stream"

    def __init__(
        self,
        live: Live,
        subscriber: Subscriber,
        opening: Opening,
        request: Request,
        principal: Principal,
    ) -> None:
        super().__init__(
            _events(live, subscriber, opening, _ids(request)),
            ping=0,  # heartbeats stand in order with the events, since they may carry an id
            sep="\n",
            send_timeout=live.settings.write_deadline,
        )
        self._live, self._subscriber = live, subscriber
        self._request = request
        self._accounts, self._principal = wiring_of(request).accounts, principal

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        interval = self._live.settings.recheck
        if not hasattr(self._request.state, "resume_proof"):  # else its ids are its own, and its bytes no others'
            self._subscriber.attach(outlet_of(scope), Wire.CHUNK)
        regard = partial(self._live.regard, self._subscriber)
        checking = asyncio.create_task(
            keep_checking(self._accounts, self._principal, self._subscriber, self._needed, interval, regard)
        )
        try:
            await super().__call__(scope, receive, send)
        except SendTimeoutError:
            self._subscriber.end(SLOW)
            log.warning("live: %s took no write for %g s and is cut", self._subscriber.id, self.send_timeout or 0)
        finally:
            checking.cancel()
            self._live.hub.leave(self._subscriber)

    def _needed(self) -> frozenset[str]:
        return needed(self._subscriber.interests, self._live.watches)


async def _events(live: Live, subscriber: Subscriber, opening: Opening, ids: Ids) -> AsyncGenerator[bytes, None]:
    async with aclosing(follow(live, subscriber, opening)) as batches:
        async for batch in batches:
            if batch:
                yield b"".join([event.sse_with(ids(event)) for event in batch])


def farewell(connection: HTTPConnection, problem: Problem, now: int) -> Response | None:
    """What an EventSource is answered where it could be let in later: an event stream that tells why, and after how
    many milliseconds to come back. Any status but 200 would end it for ever (WHATWG HTML, 9.2.3), and its page could
    not know. None where the problem is to be answered as it is: to whoever does not accept event streams by name, and
    where coming back as one is helps nothing."""
    if problem.status not in _PASSING or connection.scope["type"] != "http" or connection.scope["path"] != EVENTS:
        return None
    if "text/event-stream" not in connection.headers.get("accept", "").lower():
        return None
    retry = int(problem.headers.get("Retry-After", "1")) * 1000 + random.randrange(RETRY_MS)  # not all at once
    told = {"reason": (problem.reason or problem.code).lower(), "message": problem.message, "retry_ms": retry}
    event = Outgoing.of("bye", told, now, retry=retry)
    body = event.sse_with(_ids(connection, first="bye")(event))
    return Response(body, 200, headers=problem.headers, media_type=EventStream.media_type)


def _ids(request: HTTPConnection, first: str = "connected") -> Ids:
    """The ids of a stream's events. Of one that a ticket opened they hold the proof by which it is resumed, from the
    first event on: which has the cursor that was asked for, lest it be forgotten."""
    proof: str | None = getattr(request.state, "resume_proof", None)
    if proof is None:
        return lambda event: event.cursor
    asked = request.headers.get("last-event-id", "").partition(PROOF_MARK)[0]

    def told(event: Outgoing) -> str | None:
        cursor = asked if event.cursor is None and event.type == first else event.cursor
        return None if cursor is None else f"{cursor}{PROOF_MARK}{proof}"

    return told
