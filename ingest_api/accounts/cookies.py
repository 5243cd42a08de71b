"""The session as a browser keeps it: a cookie that no script can read, and a token that only our own pages can show."""

from __future__ import annotations

from starlette.requests import HTTPConnection
from starlette.responses import Response

from ingest_api.accounts.logins import LoggedIn
from ingest_api.cookies import COOKIE, SECURE_COOKIE


def set_cookie(connection: HTTPConnection, response: Response, opened: LoggedIn, *, remember: bool = False) -> None:
    """For browsers, which say where a request comes from; programs do not, and get none."""
    if "origin" not in connection.headers:
        return
    secure = connection.url.scheme == "https"
    response.set_cookie(
        SECURE_COOKIE if secure else COOKIE,
        opened.cookie,
        max_age=opened.lasts if remember else None,
        path="/",
        secure=secure,
        httponly=True,
        samesite="strict" if secure else "lax",
    )


def clear_cookie(response: Response) -> None:
    response.delete_cookie(COOKIE, path="/", httponly=True, samesite="lax")
    response.delete_cookie(SECURE_COOKIE, path="/", secure=True, httponly=True, samesite="strict")
