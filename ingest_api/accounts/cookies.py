"""The session as a browser keeps it: a cookie that no script can read, and a token that only our own pages can show."""

from __future__ import annotations

from typing import Literal, TypeAlias

from starlette.requests import HTTPConnection
from starlette.responses import Response

from ingest_api.accounts.logins import LoggedIn
from ingest_api.cookies import SECURE_COOKIE, name_over
from ingest_api.origin import origin_allowed
from ingest_api.wiring import wiring_of

_SameSite: TypeAlias = Literal["strict", "lax", "none"]


def set_cookie(connection: HTTPConnection, response: Response, opened: LoggedIn, *, remember: bool = False) -> None:
    """For pages of this host and of the origins of the settings; programs send no Origin and get no cookie. Nor does
    any other page: it could log whoever visits it in as somebody else, and read what they then write."""
    origins = wiring_of(connection).settings.cors_origins
    if "origin" not in connection.headers or not origin_allowed(connection, origins):
        return
    name = name_over(connection.url.scheme)
    secure = name == SECURE_COOKIE
    same = _samesite(connection, secure=secure)
    response.set_cookie(
        name,
        opened.cookie,
        max_age=opened.lasts if remember else None,
        path="/",
        secure=secure,
        httponly=True,
        samesite=same,
    )
    _partition(response, same)


def clear_cookie(connection: HTTPConnection, response: Response) -> None:
    name = name_over(connection.url.scheme)
    secure = name == SECURE_COOKIE
    same = _samesite(connection, secure=secure)
    response.delete_cookie(name, path="/", secure=secure, httponly=True, samesite=same)
    _partition(response, same)


def _partition(response: Response, same: _SameSite) -> None:
    """Keeps another site's cookie apart for that site (CHIPS, draft-cutler-httpbis-partitioned-cookies): browsers that
    let no site have a cookie of another, as Chromium's private windows, take it so. http.cookies writes the attribute
    from Python 3.14 on."""
    if same == "none":
        name, cookie = response.raw_headers.pop()
        response.raw_headers.append((name, cookie + b"; Partitioned"))


def _samesite(connection: HTTPConnection, *, secure: bool) -> _SameSite:
    """`None` for a page of another site, which would get no cookie back otherwise: what guards it is that its origin is
    listed, and the CSRF token. Browsers take that over TLS alone. A browser too old to tell says nothing of sites."""
    if not secure:
        return "lax"
    return "none" if connection.headers.get("sec-fetch-site") == "cross-site" else "strict"
