"""Which web pages may open a WebSocket, or be given a cookie: browsers send the page's origin, and CORS guards neither
(RFC 6455, 10.2)."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import urlsplit

from starlette.requests import HTTPConnection


def origin_allowed(connection: HTTPConnection, allowed: Sequence[str]) -> bool:
    """No origin is no browser; a page of this server's own host may; the rest must be listed."""
    origin = connection.headers.get("origin")
    if origin is None:
        return True
    origin = origin.lower()
    if origin in {each.lower() for each in allowed}:
        return True
    host = connection.headers.get("host", "").lower()
    try:
        return bool(host) and urlsplit(origin).netloc == host
    except ValueError:
        return False
