"""Becoming a user, and proving to be one by mail."""

from __future__ import annotations

import hmac
import secrets
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from ingest_api.accounts.door import AccountsDoor
from ingest_api.accounts.policy import check_email, check_username
from ingest_api.entities.orders import Author, Rejection, new_id
from ingest_api.problems import Conflict, FieldError, Invalid, Problem
from ingest_api.settings import Registering
from pipeline.accounts.letters import password_changed, reset_password, verify_email
from pipeline.accounts.tokens import LIFETIMES, bound, is_enough
from schemas.accounts.invitations import Invitation
from schemas.accounts.roles import OPEN_ROLES
from schemas.accounts.users import Purpose, Status, User


@dataclass(frozen=True, slots=True)
class Newcomer:
    username: str
    email: str
    password: str = field(repr=False)
    full_name: str | None = None
    company: str | None = None
    role: str = "user"
    invitation: str | None = field(default=None, repr=False)


async def register(door: AccountsDoor, author: Author, newcomer: Newcomer) -> User:
    """The user, whose address is to be verified. Raises Invalid, Conflict, Problem 403 for whom nobody wants here, and
    503 where no mail can be sent."""
    user_id, invited = _admitted(door, newcomer)
    if not door.mail.reaches:
        raise Problem(
            503,
            "CONFIGURATION_ERROR",
            "Nobody can register here, since this server cannot send mail: its operator must set THALWEG_SMTP_URL",
        )
    errors = [*check_username(newcomer.username), *check_email(newcomer.email)]
    if newcomer.role not in OPEN_ROLES:
        errors.append(FieldError("role", f"Must be one of {', '.join(sorted(OPEN_ROLES))}"))
    if not errors:  # the estimate costs most: what is refused anyhow is not estimated
        known = [newcomer.username, newcomer.email, newcomer.full_name or ""]
        errors += await door.passwords.check(newcomer.password, known)
    if errors:
        raise Invalid(errors)
    given = {
        "username": newcomer.username,
        "email": newcomer.email,
        "full_name": newcomer.full_name,
        "company": newcomer.company,
        "roles": [newcomer.role],
        "password": await door.passwords.hash(newcomer.password),
        "offer": offer_of(door, user_id, newcomer.email, newcomer.username, Purpose.VERIFY_EMAIL),
        "invitation": invited,
    }
    try:
        await door.orders.order(author, User, user_id, "register", given)
        if invited is not None:
            await door.orders.order(author, Invitation, user_id, "spend")
    except Rejection as rejection:
        if rejection.code in ("invitation_invalid", "exists"):
            raise _uninvited(rejection.detail, "INVITATION_INVALID") from None
        if rejection.code != "not_found":  # of the invitation: somebody withdrew it in this moment
            raise taken(rejection) from None
    return seen(door, user_id)


def _admitted(door: AccountsDoor, newcomer: Newcomer) -> tuple[str, list[str] | None]:
    """The id that the user will have, and what the digest of the invitation may be; None where none is asked for.
    Raises Problem 403, before anything else is computed for a stranger."""
    if door.settings.registration is Registering.ON:
        return new_id(), None
    if door.settings.registration is Registering.OFF:
        raise _uninvited("Nobody registers here: ask an administrator for an account", "REGISTRATION_OFF")
    if newcomer.invitation is None:
        raise _uninvited("Whoever registers here needs an invitation: ask an administrator", "INVITATION_REQUIRED")
    held = door.invitations.entries.get(newcomer.invitation.partition(".")[0])
    digests = list(door.seals.digests(Invitation.KIND, newcomer.invitation))
    if held is None or not any(hmac.compare_digest(digest, held.digest) for digest in digests):
        raise _uninvited("The invitation is not valid, or has been used", "INVITATION_INVALID")
    return held.id, digests


def _uninvited(message: str, reason: str) -> Problem:
    return Problem(403, "AUTHORIZATION_ERROR", message, reason=reason)


async def verify(door: AccountsDoor, author: Author, token: str) -> User:
    """Raises Problem 400 for a token that is not good (any more)."""
    return await _redeem(door, author, token, Purpose.VERIFY_EMAIL)


async def forget(door: AccountsDoor, author: Author, address: str) -> None:
    """Mails a token where there is such a user; says nothing either way."""
    user = door.directory.named(address) if door.mail.reaches else None
    if user is not None and user.status is Status.ACTIVE:
        await _mail_token(door, author, user, Purpose.RESET_PASSWORD)


async def send_verification(door: AccountsDoor, author: Author, user: User) -> None:
    """Once more, with another token."""
    if not user.email_verified and door.mail.reaches:
        await _mail_token(door, author, user, Purpose.VERIFY_EMAIL)


async def _mail_token(door: AccountsDoor, author: Author, user: User, purpose: Purpose) -> None:
    """Unless enough were mailed within the hour, which the user has all in the mailbox. A rejection is nobody's to
    know."""
    if user.email is None or is_enough(user, purpose, door.clock()):
        return
    with suppress(Rejection):
        offer = offer_of(door, user.id, user.email, user.username, purpose)
        await door.orders.order(author, User, user.id, "offer_token", offer)


async def reset(door: AccountsDoor, author: Author, token: str, password: str) -> User:
    """Raises Invalid, and Problem 400 for a token that is not good (any more): before anything is estimated."""
    user = _bearer_of(door, token, Purpose.RESET_PASSWORD)
    errors = await door.passwords.check(password, [user.username, user.email or ""], "new_password")
    if errors:
        raise Invalid(errors)
    hashed = await door.passwords.hash(password)
    user = await _redeem(door, author, token, Purpose.RESET_PASSWORD, password=hashed)
    await door.tell(user, password_changed)
    return user


def taken(rejection: Rejection) -> Problem:
    """A name or an address that another has."""
    name = rejection.code.removesuffix("_taken")
    return Conflict(rejection.detail, {"field": name}, reason=rejection.code.upper())


def seen(door: AccountsDoor, user_id: str) -> User:
    """A user that was just changed. Raises Conflict where somebody deleted it since."""
    user = door.directory.user(user_id)
    if user is None:
        raise Conflict("The user has been deleted meanwhile")
    return user


async def _redeem(
    door: AccountsDoor, author: Author, token: str, purpose: Purpose, password: str | None = None
) -> User:
    bearer = _bearer_of(door, token, purpose)
    user_id, digests = bearer.id, _digests(door, bearer, token, purpose)
    more = {} if password is None else {"password": password}
    try:
        await door.orders.order(author, User, user_id, str(purpose), {"digests": digests} | more)
    except Rejection as rejection:
        raise _no_token(rejection.detail) from None
    return seen(door, user_id)


def _bearer_of(door: AccountsDoor, token: str, purpose: Purpose) -> User:
    """Whom a mailed token was made for, as this process sees it: a stranger's costs neither work nor a command. Raises
    Problem 400; the worker, which decides, looks again."""
    user, at = door.directory.user(token.partition(".")[0]), door.clock()
    shown = () if user is None else _digests(door, user, token, purpose)
    if user is None or not any(
        each.purpose is purpose and each.digest in shown and each.expires_at > at for each in user.tokens
    ):
        raise _no_token("The token is not valid, or has expired, or has been used")
    return user


def _digests(door: AccountsDoor, user: User, token: str, purpose: Purpose) -> list[str]:
    """What the token may be kept as, bound to the address that the user has now."""
    return [] if user.email is None else list(door.seals.digests(purpose, bound(token, user.email)))


def _no_token(detail: str) -> Problem:
    return Problem(400, "VALIDATION_ERROR", detail, reason="TOKEN_INVALID")


def offer_of(door: AccountsDoor, user_id: str, recipient: str, username: str, purpose: Purpose) -> dict[str, Any]:
    """A new token and its letter, as a command takes them (`tokens.Offer`): the log gets the digest of the token and
    the address, and the letter sealed."""
    token, at = f"{user_id}.{secrets.token_urlsafe(32)}", door.clock()
    expires_at = at + LIFETIMES[purpose]
    mail = _LETTERS[purpose](door.seals, user_id, recipient, username, token, door.mail.public_url, at, expires_at)
    kept = {"purpose": purpose, "digest": door.seals.digest(purpose, bound(token, recipient)), "expires_at": expires_at}
    return {"token": kept, "recipient": recipient, "letter": mail.sealed, "offered_at": at}


_LETTERS = {
    Purpose.VERIFY_EMAIL: verify_email,
    Purpose.RESET_PASSWORD: reset_password,
}
