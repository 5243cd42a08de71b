"""The paths of the interface: `/` for statements, `/ping` and `/replicas_status` for probes."""

from __future__ import annotations

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from pipeline.embedded.warehouse.door import Door
from pipeline.http1 import OneHost


def application(door: Door) -> Starlette:
    return Starlette(
        routes=[
            Route("/", door),
            Route("/ping", _ok, methods=["GET", "HEAD"]),
            Route("/replicas_status", _ok, methods=["GET", "HEAD"]),
            Route("/{path:path}", _unknown, methods=["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS"]),
        ],
        middleware=[Middleware(OneHost)],
    )


async def _ok(_request: Request) -> Response:
    return PlainTextResponse("Ok.\n")


async def _unknown(request: Request) -> Response:
    hint = "Use / or /ping for health checks, and POST / or GET /?query= for queries"
    return PlainTextResponse(f"There is no handle {request.url.path}\n\n{hint}.\n", 404)
