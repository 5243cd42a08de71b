"""Of the Cookie header, what goes on to whoever parses it."""

from __future__ import annotations

import pytest
from starlette.types import Message, Receive, Scope, Send

from ingest_api.cookies import OwnCookie


async def passed_on(scheme: str, *cookies: bytes) -> list[bytes]:
    seen: list[Scope] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(scope)

    async def nothing() -> Message:
        raise AssertionError

    async def ignored(message: Message) -> None: ...

    kind = "websocket" if scheme.startswith("ws") else "http"
    headers = [(b"host", b"a"), *((b"cookie", cookie) for cookie in cookies)]
    await OwnCookie(app)({"type": kind, "scheme": scheme, "headers": headers}, nothing, ignored)
    assert (b"host", b"a") in seen[0]["headers"]
    return [value for name, value in seen[0]["headers"] if name == b"cookie"]


@pytest.mark.parametrize(
    ("scheme", "name"),
    [("http", b"session"), ("ws", b"session"), ("https", b"__Host-session"), ("wss", b"__Host-session")],
)
async def test_only_the_session_of_this_kind_of_connection_goes_on(scheme: str, name: bytes) -> None:
    both = b"a=b; session=plain; __Host-session=secure;c"
    value = b"secure" if name.startswith(b"__") else b"plain"
    assert await passed_on(scheme, both) == [name + b"=" + value]
    assert await passed_on(scheme, b"a=b", both) == [name + b"=" + value]


@pytest.mark.parametrize(
    "cookie",
    [
        b"a=b",
        b"",
        b";;=;",
        b'session="' + b"\\" * 60_000 + b'"',
        b"session=",
        b"session=a b",
        b"session=" + b"a" * 5000,
    ],
)
async def test_what_cannot_be_a_session_of_ours_is_dropped_unread(cookie: bytes) -> None:
    assert await passed_on("http", cookie) == []
