"""The application: the routes of every domain, and what surrounds them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from functools import cache, partial

from fastapi import APIRouter, FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Scope

from ingest_api import about, health, results
from ingest_api.cookies import OwnCookie
from ingest_api.domain import Domain
from ingest_api.domains import DOMAINS, envelopes_of
from ingest_api.envelopes import Renderer
from ingest_api.heads import Heads
from ingest_api.json import Json, encode
from ingest_api.live import routes as live
from ingest_api.live.sse import farewell
from ingest_api.openapi import document, guard_of, routes_of
from ingest_api.problems import Problem
from ingest_api.registry import compatibility
from ingest_api.registry import routes as registry
from ingest_api.requests import Body, Observe, Requests
from ingest_api.settings import ApiSettings
from ingest_api.wiring import Part, Wiring
from pipeline.errors import Failure

_STOP_SECONDS = 5.0
_LOG = logging.getLogger("thalweg.api")
_ASKED = [
    *("Authorization", "X-API-Key", "X-CSRF-Token", "If-Match", "X-Request-ID", "Idempotency-Key", "Prefer"),
    "Last-Event-ID",
]
_EXPOSED = [
    "ETag",
    "X-Request-ID",
    "Retry-After",
    *(f"X-RateLimit-{part}" for part in ("Limit", "Remaining", "Reset", "Window")),
]


def create_app(settings: ApiSettings, wiring: Wiring, domains: Sequence[Domain] | None = None) -> FastAPI:
    """The API of all domains, or of those given. Raises Broken when a route does not say who may use it, or two domains
    claim the same."""
    domains = DOMAINS if domains is None else domains
    envelopes = envelopes_of(domains)
    app = FastAPI(
        title="Thalweg",
        version=health.VERSION,
        description="Events in over REST and WebSocket, results out live: one log between.",
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        redirect_slashes=False,
        default_response_class=Json,
        lifespan=_lifespan,
    )
    app.state.wiring = wiring
    for router in routers_of(domains):
        app.include_router(router)
    for route in routes_of(app):
        guard_of(route)
    app.state.openapi = cache(lambda: encode(document(app, envelopes)))  # most of an application's making: when asked
    _surround(app, settings, Renderer(wiring.clock, envelopes, farewell), observer_of(domains, wiring))
    return app


def routers_of(domains: Sequence[Domain]) -> Iterator[APIRouter]:
    """The API's own routes around those of the domains."""
    yield from (health.router, registry.router, compatibility.router, live.router, results.router)
    yield from (domain.router for domain in domains)
    yield about.router


def observer_of(domains: Sequence[Domain], wiring: Wiring) -> Observe:
    """What tells every domain that wants to hear of requests how each has ended."""
    observers = [observe for domain in domains if (observe := domain.observer(wiring)) is not None]

    def observe_all(scope: Scope, status: int) -> None:
        for observe in observers:
            observe(scope, status)

    return observe_all


def _surround(app: FastAPI, settings: ApiSettings, renderer: Renderer, observe: Observe) -> None:
    app.state.renderer = renderer  # for WebSockets: a handshake is refused as a request is
    for kind in (Problem, Failure, HTTPException, RequestValidationError):
        app.add_exception_handler(kind, renderer.handle)
    app.add_exception_handler(405, partial(_method_not_allowed, renderer))
    bounds = {"limit": settings.body_limit, "seconds": settings.body_timeout, "memory": settings.body_memory}
    app.add_middleware(Heads)
    app.add_middleware(Body, renderer=renderer, **bounds)
    if settings.cors_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=settings.cors_origins,
            allow_methods=["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"],
            allow_headers=_ASKED,
            allow_credentials=True,  # to the origins that are listed, of which none is *
            expose_headers=_EXPOSED,
        )
    app.add_middleware(OwnCookie)
    # The last added is the outermost.
    app.add_middleware(Requests, renderer=renderer, at_once=settings.max_connections, observe=observe)


async def _method_not_allowed(renderer: Renderer, request: Request, error: Exception) -> Response:
    """405 with every method the address has (RFC 9110, 15.5.6); Starlette names those of one route alone."""
    found = [route for route in routes_of(request.app) if route.path_regex.fullmatch(request.url.path)]
    answer = renderer.render(request, error)
    methods = {method for route in found for method in route.methods or ()}
    answer.headers["Allow"] = ", ".join(sorted(methods | ({"HEAD"} if "GET" in methods else set())))
    return answer


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Starts the parts in order, and stops those that started in the reverse order, whatever happens between."""
    wiring: Wiring = app.state.wiring
    async with AsyncExitStack() as opened:
        for part in wiring.parts:
            await part.start()
            opened.push_async_callback(_stop, part)
        app.state.opened_at = wiring.clock()
        yield


async def _stop(part: Part) -> None:
    try:
        async with asyncio.timeout(_STOP_SECONDS):
            await part.stop()
    except Exception:
        _LOG.exception("%s did not stop well", part.name)
