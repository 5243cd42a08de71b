"""In and out: passwords to sessions, sessions to tokens."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field

from starlette.requests import HTTPConnection

from ingest_api.accounts import factor
from ingest_api.accounts.codes import tried_code
from ingest_api.accounts.development import matches
from ingest_api.accounts.door import AccountsDoor
from ingest_api.accounts.tokens import Use, new_token_id
from ingest_api.entities.orders import Author, Rejection, author_of, new_id
from ingest_api.principal import Principal
from ingest_api.problems import Busy, InvalidCredentials, Problem, Unauthenticated
from pipeline.accounts.letters import refresh_reused
from pipeline.accounts.sealing import Unopenable
from pipeline.errors import Failure
from schemas.accounts.users import Status, User
from schemas.permissions import OWN, permitted, scopes_of

SESSION_SECONDS = 24 * 3600
REMEMBERED_SECONDS = 30 * 24 * 3600
TICKET_SECONDS = 30
BOOT_SECONDS = 8.0


@dataclass(frozen=True, slots=True)
class Attempt:
    """What somebody logs in with. `code` is of the second factor."""

    identifier: str
    password: str = field(repr=False)
    code: str | None = field(default=None, repr=False)
    remember: bool = False


@dataclass(frozen=True, slots=True)
class LoggedIn:
    """`expires_in` in seconds, of the access token; `cookie` stands for the session as a whole, `lasts` seconds."""

    user: User
    session: str
    access_token: str = field(repr=False)
    refresh_token: str = field(repr=False)
    cookie: str = field(repr=False)
    expires_in: int
    lasts: int
    scope: str


async def log_in(door: AccountsDoor, request: HTTPConnection, attempt: Attempt) -> LoggedIn:
    """A new session. Raises Unauthenticated, RateLimited after too many failures, Busy."""
    user = await _known(door, attempt.identifier)
    address = request.client.host if request.client else None
    account = user.id if user is not None else attempt.identifier
    familiar = {session.address for session in user.sessions} if user is not None else set()
    async with door.throttle.attempt(account, address, familiar) as tried:
        try:
            proven = await _proven(door, request, user, attempt)
            opened = await _open(door, request, proven, attempt)
        except Unauthenticated as problem:
            if problem.extra.get("requires_2fa") and attempt.code is None:
                tried.undecided()
            raise
        except (Problem, Failure):
            tried.undecided()
            raise
        tried.succeeded()
    return opened


async def _known(door: AccountsDoor, identifier: str) -> User | None:
    user = door.directory.named(identifier)
    if user is None and not door.bootstrap.done.is_set():
        try:
            async with asyncio.timeout(BOOT_SECONDS):
                await door.bootstrap.done.wait()
        except TimeoutError:
            raise Busy("The accounts are not ready yet: no worker has answered", 5) from None
        user = door.directory.named(identifier)
    return user


async def _proven(door: AccountsDoor, request: HTTPConnection, user: User | None, attempt: Attempt) -> User:
    """The user whose password it is; as much work, and as long, where there is none."""
    if not await matches(door, request, user, attempt.password) or user is None:
        raise InvalidCredentials
    if user.status is not Status.ACTIVE:
        raise Problem(403, "AUTHORIZATION_ERROR", f"This account is {user.status}", reason="ACCOUNT_INACTIVE")
    if user.email is not None and not user.email_verified and door.settings.verify_email:
        message = "Verify your e-mail address first: a mail tells how"
        raise Problem(403, "AUTHORIZATION_ERROR", message, reason="EMAIL_NOT_VERIFIED")
    return user


async def _open(door: AccountsDoor, request: HTTPConnection, user: User, attempt: Attempt) -> LoggedIn:
    session, refresh, access = new_id(), secrets.token_urlsafe(32), new_token_id()
    lasts = REMEMBERED_SECONDS if attempt.remember else SESSION_SECONDS
    refresh_token = f"{user.id}.{session}.{refresh}"
    author = author_of(request, f"user:{user.id}")
    given = {
        "id": session,
        "digest": door.seals.digest("refresh", refresh_token),
        "access_id": access,
        "expires_at": door.clock() + lasts * 1_000_000,
        "password_changed_at": user.password_changed_at,
        "address": author.address,
        "agent": request.headers.get("user-agent", "")[:200] or None,
    }
    if user.totp is None:
        await _order_session(door, author, user, given)
    elif not (attempt.code or "").strip():
        raise _factor_needed("A code of the second factor is needed")
    else:
        async with tried_code(door, request, user) as tried:
            try:
                await _order_session(door, author, user, given | _second_factor(door, user, attempt.code or ""))
            except Unauthenticated:
                raise
            except (Problem, Failure):
                tried.undecided()
                raise
            tried.succeeded()
    return _answered(door, user.id, session, access, refresh_token, lasts)


async def _order_session(door: AccountsDoor, author: Author, user: User, given: Mapping[str, object]) -> None:
    try:
        await door.orders.order(author, User, user.id, "open_session", given)
    except Rejection as rejection:
        asks = rejection.code in ("code_spent", "second_factor_missing")
        raise (_factor_needed(rejection.detail) if asks else InvalidCredentials(rejection.detail)) from None


def _second_factor(door: AccountsDoor, user: User, code: str) -> dict[str, object]:
    """What the code proves. Raises Unauthenticated where it proves nothing."""
    text = factor.as_made(code)
    if factor.is_totp(text):
        try:
            step = factor.step_of(door.seals.open(user.totp or ""), text, door.clock())
        except Unopenable:
            raise Busy("The second factor cannot be checked: the server's account secret was changed", 60) from None
        if step is not None:
            return {"step": step}
    elif factor.is_backup(text):
        return {"backup": list(door.seals.digests("backup", text))}
    raise _factor_needed("The code of the second factor is wrong")


def _factor_needed(message: str) -> InvalidCredentials:
    return InvalidCredentials(message, reason="TWO_FACTOR_REQUIRED", extra={"requires_2fa": True})


async def refresh(door: AccountsDoor, request: HTTPConnection, token: str) -> LoggedIn:
    """The session goes on, with new tokens; the old access token ends. Raises Unauthenticated."""
    user_id, session, _ = [*token.split(".", 2), "", ""][:3]
    user = door.directory.user(user_id)
    if user is None or not token.isascii() or token.count(".") != 2:
        raise Unauthenticated("The refresh token is not valid", error="invalid_token")
    access = new_token_id()
    fresh = f"{user_id}.{session}.{secrets.token_urlsafe(32)}"
    given = {
        "id": session,
        "shown": list(door.seals.digests("refresh", token)),
        "digest": door.seals.digest("refresh", fresh),
        "access_id": access,
    }
    try:
        await door.orders.order(author_of(request, f"user:{user_id}"), User, user_id, "refresh_session", given)
    except Rejection as rejection:
        if rejection.code == "token_reused":
            await door.tell(user, refresh_reused)
        raise Unauthenticated(rejection.detail, error="invalid_token") from None
    after = door.directory.user(user_id)
    held = None if after is None else after.session(session)
    if held is None:
        raise Unauthenticated("The session has ended: log in again", error="invalid_token")
    lasts = max(1, (held.expires_at - door.clock()) // 1_000_000)
    return _answered(door, user_id, session, access, fresh, lasts)


def _answered(door: AccountsDoor, user_id: str, session: str, access: str, refresh_token: str, lasts: int) -> LoggedIn:
    user = door.directory.user(user_id)
    if user is None:
        raise Unauthenticated("The session has ended: log in again", error="invalid_token")
    scopes = tuple(scopes_of(permitted(user.roles) - OWN))
    subject = f"user:{user.id}"
    expires_in = min(door.tokens.ttl, lasts)
    version = user.version
    token = door.tokens.issue(subject, scopes, token_id=access, session=session, version=version, ttl=expires_in)
    cookie = door.tokens.issue(subject, scopes, use=Use.COOKIE, session=session, version=version, ttl=lasts)
    return LoggedIn(user, session, token, refresh_token, cookie, expires_in, lasts, " ".join(scopes))


async def log_out(door: AccountsDoor, author: Author, principal: Principal, *, everywhere: bool = False) -> None:
    """Ends the session that the caller came by, or all of the user. What has no session has nothing to end."""
    if principal.user is None or principal.key is not None:
        return
    if everywhere:
        await door.orders.order(author, User, principal.user, "close_sessions")
    elif principal.session is not None:
        await door.orders.order(author, User, principal.user, "close_session", {"id": principal.session})


def ticket_for(door: AccountsDoor, principal: Principal) -> str:
    """Good once, within TICKET_SECONDS, for what cannot send headers."""
    user = door.directory.user(principal.user or "")
    if user is None:
        raise Problem(403, "AUTHORIZATION_ERROR", "A key of the server's settings belongs to no user: send it itself")
    scopes = tuple(scopes_of(principal.scopes - OWN))
    return door.tokens.issue(
        principal.id,
        scopes,
        use=Use.TICKET,
        session=principal.session,
        version=user.version,
        ttl=TICKET_SECONDS,
    )
