"""Who is at the door, and whether that one may pass. A route that does not say who may use it is not served.

A credential is a bearer token (RFC 6750), an `X-API-Key` header, a session cookie, or, where a client cannot set
headers (a WebSocket, an EventSource), the query parameter `token`, `api_key` or `ticket`, which no log of ours shows.
"""

from __future__ import annotations

import hmac
from enum import StrEnum

from starlette.requests import HTTPConnection

from ingest_api.cookies import name_over
from ingest_api.limits import address_key
from ingest_api.origin import origin_allowed
from ingest_api.principal import Principal
from ingest_api.problems import Problem, Unauthenticated
from ingest_api.wiring import wiring_of
from pipeline.settings import loopback
from schemas.permissions import PERMISSIONS

PROOF_MARK = "~"
"""Between the cursor in the id of an event and the proof by which a stream that a ticket opened is resumed."""
CSRF_HEADER = "x-csrf-token"
_HOPS = (
    "forwarded", "x-forwarded", "via", "x-real-ip", "x-client-ip", "x-cluster-client-ip", "x-remote-", "x-original-",
    "x-envoy-", "x-proxy", "x-amzn-", "x-azure-", "x-appengine-", "x-arr-", "x-host", "x-scheme", "true-client-ip",
    "cf-", "cdn-", "fastly-", "fly-", "akamai-", "ngrok-", "x-tunnel", "tailscale-", "proxy-", "remote-",
    "max-forwards",
)  # fmt: skip
"""How the names begin of headers that proxies, balancers and tunnels add."""
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})


async def authenticate(connection: HTTPConnection, *, query: bool = False) -> Principal:
    """The caller. `query` accepts `?token=`, `?api_key=` and `?ticket=` too, as every WebSocket does.

    A header wins over a query parameter, and both over a cookie. Raises Unauthenticated.
    """
    accounts = wiring_of(connection).accounts
    scheme, _, token = connection.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and token.strip():
        return noted(connection, await accounts.principal_for_token(token.strip()))
    if key := connection.headers.get("x-api-key", ""):
        return noted(connection, await accounts.authenticate_key(key))
    if query or connection.scope["type"] == "websocket":
        if token := connection.query_params.get("token", ""):
            return noted(connection, await accounts.principal_for_token(token))
        if key := connection.query_params.get("api_key", ""):
            return noted(connection, await accounts.authenticate_key(key))
        if ticket := connection.query_params.get("ticket", ""):
            _, told, proof = connection.headers.get("last-event-id", "").partition(PROOF_MARK)
            if told:
                principal = await accounts.principal_for_resumed(ticket, proof)
            else:
                principal = await accounts.principal_for_ticket(ticket)
            connection.state.resume_proof = accounts.resume_proof(ticket)
            return noted(connection, principal)
    if cookie := cookie_of(connection):
        principal = noted(connection, await accounts.principal_for_cookie(cookie))
        _check_csrf(connection, principal)
        return principal
    raise Unauthenticated


def presents_nothing(connection: HTTPConnection) -> bool:
    """Whether there is no credential at all to be looked at."""
    named = ("authorization", "x-api-key")
    asked = ("token", "api_key", "ticket")
    headers = any(connection.headers.get(name) for name in named)
    return not (headers or any(connection.query_params.get(name) for name in asked) or cookie_of(connection))


def cookie_of(connection: HTTPConnection) -> str:
    return connection.cookies.get(name_over(connection.url.scheme), "")


def noted(connection: HTTPConnection, principal: Principal) -> Principal:
    connection.state.principal = principal.id
    return principal


def _check_csrf(connection: HTTPConnection, principal: Principal) -> None:
    """A browser sends the cookie along whoever made it ask: a write must show the token that only a page which may read
    our answers can know. A WebSocket can show none; its origin has been looked at before (live.websocket.welcome)."""
    if connection.scope["type"] == "websocket" or connection.scope["method"] in _SAFE:
        return
    shown = connection.headers.get(CSRF_HEADER, "")
    wanted = wiring_of(connection).accounts.csrf_token(principal.session or "")
    if not hmac.compare_digest(shown.encode(), wanted.encode()):
        message = "A write with a session cookie needs the header X-CSRF-Token: get one at /auth/csrf-token"
        raise Problem(403, "AUTHORIZATION_ERROR", message, reason="CSRF_TOKEN_INVALID")


class Entry(StrEnum):
    """Whom a route lets in."""

    ANYONE = "anyone"
    AUTHENTICATED = "authenticated"
    PERMITTED = "permitted"


class Guard:
    """A route's dependency that authenticates, counts against the limits and checks the permission, in this order.

    Whoever fails to authenticate is counted by address, so that guessing is limited too.
    """

    def __init__(
        self, entry: Entry, permission: str | None = None, *, limited: bool = True, query: bool = False
    ) -> None:
        if (permission is not None) != (entry is Entry.PERMITTED) or (permission and permission not in PERMISSIONS):
            raise ValueError(f"no permission is called {permission!r}; there are {', '.join(sorted(PERMISSIONS))}")
        self.entry, self.permission, self.limited, self.query = entry, permission, limited, query

    async def __call__(self, connection: HTTPConnection) -> Principal | None:
        """The principal, or None where the route is public."""
        principal: Principal | None = None
        refused: Problem | None = None
        if self.entry is not Entry.ANYONE:
            try:
                principal = await authenticate(connection, query=self.query)
            except Unauthenticated as problem:
                refused = problem
        if self.limited:
            await _count(connection, principal)
        if refused is not None:
            raise refused
        if principal is not None and self.permission is not None:
            principal.require(self.permission)
        return principal


def may(permission: str, *, query: bool = False) -> Guard:
    """Only who holds the permission: `principal: Annotated[Principal, Depends(may("clustering:read"))]`.

    `query` lets the credential stand in the address (for EventSource). Raises ValueError for an unknown permission.
    """
    return Guard(Entry.PERMITTED, permission, query=query)


def authenticated(*, query: bool = False) -> Guard:
    """Whoever has a valid credential, with any permission or none; `query` as of `may`."""
    return Guard(Entry.AUTHENTICATED, query=query)


def public(*, limited: bool = True) -> Guard:
    """Anyone. `limited` is false only for what an orchestrator asks."""
    return Guard(Entry.ANYONE, limited=limited)


def is_local(connection: HTTPConnection) -> bool:
    """Whether the request looks as one does that a program on this machine sends to this very port itself.

    A proxy's header means that somebody else may stand behind it; a foreign Host, that a web page was led here by its
    DNS (rebinding); another port, that something listens there; a foreign Origin, that another site's page asks. What
    looks so may yet have been passed on by what adds nothing: see accounts.development.
    """
    client, server = connection.client, connection.scope.get("server")
    if client is None or not loopback(client.host):
        return False
    if any(name.startswith(_HOPS) for name in connection.headers):
        return False
    if connection.headers.get("sec-fetch-site", "none") not in ("same-origin", "none"):
        return False
    url = connection.url
    port = url.port or (443 if url.scheme in ("https", "wss") else 80)
    return (
        loopback(url.hostname or "")
        and (server is None or server[1] in (None, port))
        and origin_allowed(connection, ())
    )


async def _count(connection: HTTPConnection, principal: Principal | None) -> None:
    host = connection.client.host if connection.client else None
    caller = principal.account if principal is not None else address_key(host)
    standing = await wiring_of(connection).limiter.admit(connection.scope["route"].path, caller)
    if standing is not None:
        connection.state.answer_headers = standing.headers()
