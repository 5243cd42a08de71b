"""The API's description, for programs and for people: `/openapi.json`, and Swagger UI over it at `/docs`.

All that the page needs comes from here: it works where there is no internet, and nobody else learns who reads it.
"""

from __future__ import annotations

import asyncio
from functools import cache
from html import escape
from importlib.resources import files
from typing import Any

from fastapi import APIRouter, Depends
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from ingest_api.auth import public
from ingest_api.problems import NotFound

router = APIRouter(tags=["about"])
_MISSING: dict[int | str, dict[str, Any]] = {404: {"description": "No such file"}}

_SHIPPED = {"swagger-ui-bundle.js": "text/javascript", "swagger-ui.css": "text/css", "favicon.png": "image/png"}
"""Files of the package fastapi-offline, and their media types."""
_START = b"""SwaggerUIBundle({
  url: "/openapi.json", dom_id: "#swagger-ui", deepLinking: true, validatorUrl: "none",
  presets: [SwaggerUIBundle.presets.apis], layout: "BaseLayout"
});
"""
_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<link rel="icon" type="image/png" href="/docs/favicon.png">
<link rel="stylesheet" href="/docs/swagger-ui.css">
</head>
<body>
<div id="swagger-ui"></div>
<noscript>This page needs JavaScript; <a href="/openapi.json">the description itself</a> does not.</noscript>
<script src="/docs/swagger-ui-bundle.js"></script>
<script src="/docs/start.js"></script>
</body>
</html>
"""
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


@router.get("/openapi.json", dependencies=[Depends(public())])
async def openapi(request: Request) -> Response:
    """This description."""
    return Response(await asyncio.to_thread(request.app.state.openapi), media_type="application/json")


@router.get("/docs", response_class=HTMLResponse, dependencies=[Depends(public())])
async def docs(request: Request) -> Response:
    """This description, to read and to try."""
    return HTMLResponse(_PAGE.format(title=escape(request.app.title)), headers={"Content-Security-Policy": _POLICY})


@router.get("/docs/{name}", response_class=Response, responses=_MISSING, dependencies=[Depends(public())])
async def part_of_docs(name: str) -> Response:
    """A file that the page needs."""
    kept = {"Cache-Control": "public, max-age=3600"}
    if name == "start.js":
        return Response(_START, media_type="text/javascript", headers=kept)
    if name not in _SHIPPED:
        raise NotFound("There is no such page")
    return Response(await asyncio.to_thread(_shipped, name), media_type=_SHIPPED[name], headers=kept)


@cache
def _shipped(name: str) -> bytes:
    return (files("fastapi_offline") / "static" / name).read_bytes()
