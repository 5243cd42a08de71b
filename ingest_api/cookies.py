"""The Cookie header, before anything parses it: of what a browser sends, our own cookie alone goes on.

The standard library's parser takes quadratic time for a quoted value full of backslashes (CVE-2024-7592, in Python
before 3.11.10 and 3.12.6): 60 KB of them half a minute, before anybody is asked who they are.
"""

from __future__ import annotations

import re

from starlette.types import ASGIApp, Receive, Scope, Send

COOKIE, SECURE_COOKIE = "session", "__Host-session"
"""The second over TLS, and the first without: a browser takes `__Host-` from nobody but this very host, while a page of
a sister host, or whoever sits on the line, can plant the other (RFC 6265bis, 4.1.3.2 and 8.6)."""
_SECURE = ("https", "wss")
_VALUE = re.compile(rb"[A-Za-z0-9_.-]{1,4096}")


class OwnCookie:
    """Passes on the session cookie that fits the connection, as a value of ours can be, and no other cookie."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] in ("http", "websocket"):
            scope["headers"] = _kept(scope)
        await self.app(scope, receive, send)


def name_over(scheme: str) -> str:
    """The name of the cookie on connections of this scheme."""
    return SECURE_COOKIE if scheme in _SECURE else COOKIE


def _kept(scope: Scope) -> list[tuple[bytes, bytes]]:
    name = name_over(scope["scheme"]).encode()
    kept = [(header, value) for header, value in scope["headers"] if header != b"cookie"]
    if len(kept) < len(scope["headers"]):
        given = [value for header, value in scope["headers"] if header == b"cookie"]
        pairs = (pair.strip().partition(b"=") for value in given for pair in value.split(b";"))
        ours = next((value for key, _, value in pairs if key == name and _VALUE.fullmatch(value)), None)
        if ours is not None:
            kept.append((b"cookie", name + b"=" + ours))
    return kept
