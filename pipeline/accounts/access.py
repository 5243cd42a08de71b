"""Decisions about how a user gets in: passwords, sessions, the second factor, what is of use once."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

from pipeline.accounts.authority import (
    Guard,
    guarded,
    theirs,
    themselves,
    themselves_or_administered,
    whoever_shows_it,
)
from pipeline.accounts.tokens import Offer, offers_to, with_token
from pipeline.entities.decider import After, Command, Nothing, Others, Rejected, Rule, Telling, changing
from schemas.accounts.users import Purpose, Session, SpentTicket, Status, User

A = TypeVar("A")
MAX_SESSIONS = 20
MAX_SPENT = 20
MAX_TICKETS = 1000
"""Of half a minute: who needs more waits until the oldest have expired."""


@dataclass(frozen=True, slots=True)
class SetPassword:
    """`keep` is the session that stays: the one in which it was changed."""

    password: str = field(repr=False)
    keep: str | None = None


@dataclass(frozen=True, slots=True)
class Redeem:
    """`digests` are what the token may be kept as (`sealing.Seals.digests`)."""

    digests: list[str] = field(repr=False)
    password: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class OpenSession:
    """After the password was found right, as it was set at `password_changed_at`. `step` is the time step of the code
    that was given, `backup` what a backup code may be kept as."""

    id: str
    digest: str = field(repr=False)
    access_id: str = field(repr=False)
    expires_at: int
    password_changed_at: int | None
    address: str | None = None
    agent: str | None = None
    step: int | None = None
    backup: list[str] | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class RefreshSession:
    """`shown` is what the token that was shown may be kept as."""

    id: str
    shown: list[str] = field(repr=False)
    digest: str = field(repr=False)
    access_id: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class CloseSession:
    id: str


@dataclass(frozen=True, slots=True)
class OfferFactor:
    sealed: str = field(repr=False)
    backup_codes: list[str] = field(repr=False)


@dataclass(frozen=True, slots=True)
class ConfirmFactor:
    """The code fitted the secret `sealed` at `step`."""

    sealed: str = field(repr=False)
    step: int


@dataclass(frozen=True, slots=True)
class SpendTicket:
    id: str
    expires_at: int


def set_password(user: User, given: SetPassword, command: Command, others: Others) -> User:
    """Ends every other session, what was mailed to set a password, and a second factor that was offered and not yet
    confirmed: whoever was in may know it."""
    kept = [session for session in user.sessions if session.id == given.keep]
    tokens = [token for token in user.tokens if token.purpose is not Purpose.RESET_PASSWORD]
    codes = user.backup_codes if user.totp is not None else []
    after = replace(user, password=given.password, password_changed_at=command.at, sessions=kept, tokens=tokens)
    return replace(after, totp_offered=None, backup_codes=codes)


def offer_token(user: User, given: Offer, command: Command, others: Others) -> Telling[User] | Rejected:
    """To the address that the user has by now."""
    if not offers_to(given, user):
        return Rejected("address_changed", "The address has been changed meanwhile")
    tokens = with_token(user, given.token, command.at)
    if tokens is None:
        return Rejected("too_many_mails", "Enough was mailed within the hour: use the last of these mails")
    return Telling(replace(user, tokens=list(tokens)), given.mail(user.id))


def verify_email(user: User, given: Redeem, command: Command, others: Others) -> User | Rejected:
    if not _holds(user, Purpose.VERIFY_EMAIL, given.digests):
        return _SPENT
    tokens = [token for token in user.tokens if token.purpose is not Purpose.VERIFY_EMAIL]
    return replace(user, email_verified=True, tokens=tokens)


def reset_password(user: User, given: Redeem, command: Command, others: Others) -> User | Rejected:
    """Whoever has the token reads the mailbox it was mailed to, which is still the user's (`users.administer` leaves no
    token to a new address): that verifies the address as well."""
    if given.password is None or not _holds(user, Purpose.RESET_PASSWORD, given.digests):
        return _SPENT
    return replace(set_password(user, SetPassword(given.password), command, others), email_verified=True)


def open_session(user: User, given: OpenSession, command: Command, others: Others) -> User | Rejected:
    if user.status is not Status.ACTIVE:
        return Rejected("not_active", f"This account is {user.status}")
    if given.password_changed_at != user.password_changed_at:
        return Rejected("password_changed", "The password has just been changed")
    proven = _proven(user, given)
    if isinstance(proven, Rejected):
        return proven
    at = command.at
    session = Session(given.id, given.digest, [], given.access_id, at, at, given.expires_at, given.address, given.agent)
    return replace(proven, sessions=[*proven.sessions, session][-MAX_SESSIONS:], last_login_at=at)


def _proven(user: User, given: OpenSession) -> User | Rejected:
    """The user without what the second factor has used up (RFC 6238, 5.2)."""
    if user.totp is None:
        return user
    if given.step is not None:
        if given.step <= user.totp_step:
            return Rejected("code_spent", "This code has been used; wait for the next one")
        return replace(user, totp_step=given.step)
    left = [code for code in user.backup_codes if code not in (given.backup or ())]
    if len(left) == len(user.backup_codes):
        return Rejected("second_factor_missing", "A code of the second factor is needed")
    return replace(user, backup_codes=left)


def refresh_session(user: User, given: RefreshSession, command: Command, others: Others) -> User | Rejected:
    """Each token is good for one refresh (RFC 9700, 4.14.2): one that comes back has been copied, and nobody knows
    which of the two is the thief, so the session ends for both."""
    session = user.session(given.id)
    if session is None:
        return Rejected("session_ended", "This session has ended: log in again")
    if session.digest not in given.shown:
        if not set(session.spent) & set(given.shown):
            return Rejected("token_invalid", "The refresh token is not valid")
        ended = close_session(user, CloseSession(given.id), command, others)
        return Rejected("token_reused", "The refresh token was used before: the session has been ended", ended)
    fresh = replace(
        session,
        digest=given.digest,
        spent=[*session.spent, session.digest][-MAX_SPENT:],
        access_id=given.access_id,
        refreshed_at=command.at,
    )
    return replace(user, sessions=[fresh if each is session else each for each in user.sessions])


def close_session(user: User, given: CloseSession, command: Command, others: Others) -> User:
    kept = [session for session in user.sessions if session.id != given.id]
    return user if len(kept) == len(user.sessions) else replace(user, sessions=kept)


def close_sessions(user: User, given: Nothing, command: Command, others: Others) -> User:
    return replace(user, sessions=[]) if user.sessions else user


def offer_factor(user: User, given: OfferFactor, command: Command, others: Others) -> User | Rejected:
    if user.totp is not None:
        return Rejected("second_factor_on", "The second factor is on already: turn it off first")
    return replace(user, totp_offered=given.sealed, backup_codes=given.backup_codes)


def confirm_factor(user: User, given: ConfirmFactor, command: Command, others: Others) -> User | Rejected:
    if user.totp_offered is None or user.totp_offered != given.sealed:
        return Rejected("second_factor_not_offered", "Set up the second factor first")
    return replace(user, totp=user.totp_offered, totp_offered=None, totp_step=given.step)


def remove_factor(user: User, given: Nothing, command: Command, others: Others) -> User:
    return replace(user, totp=None, totp_offered=None, backup_codes=[])


def spend_ticket(user: User, given: SpendTicket, command: Command, others: Others) -> User | Rejected:
    spent = any(ticket.id == given.id for ticket in user.tickets)
    if spent or given.expires_at <= command.at:
        return Rejected("ticket_spent", "The ticket has been used, or has expired")
    if len(user.tickets) >= MAX_TICKETS:
        return Rejected("too_many_tickets", "Too many tickets were used in a short while")
    return replace(user, tickets=[*user.tickets, SpentTicket(given.id, given.expires_at)])


def _holds(user: User, purpose: Purpose, digests: Sequence[str]) -> bool:
    return any(token.purpose is purpose and token.digest in digests for token in user.tokens)


def _rule(guard: Guard[User], takes: type[A], change: Callable[[User, A, Command, Others], After[User]]) -> Rule[User]:
    """Whatever has expired is gone before the change is looked at, and with it."""

    def upon(user: User, given: A, command: Command, others: Others) -> After[User]:
        return change(_unexpired(user, command.at), given, command, others)

    return guarded(changing(takes, upon), guard)


def _unexpired(user: User, at: int) -> User:
    tokens = [token for token in user.tokens if token.expires_at > at]
    sessions = [session for session in user.sessions if session.expires_at > at]
    tickets = [ticket for ticket in user.tickets if ticket.expires_at > at]
    same = (len(tokens), len(sessions), len(tickets)) == (len(user.tokens), len(user.sessions), len(user.tickets))
    return user if same else replace(user, tokens=tokens, sessions=sessions, tickets=tickets)


_SPENT = Rejected("token_invalid", "The token is not valid, or has expired, or has been used")

RULES: Mapping[str, Rule[User]] = {
    "set_password": _rule(themselves_or_administered, SetPassword, set_password),
    "offer_token": _rule(whoever_shows_it, Offer, offer_token),
    "verify_email": _rule(whoever_shows_it, Redeem, verify_email),
    "reset_password": _rule(whoever_shows_it, Redeem, reset_password),
    "open_session": _rule(themselves, OpenSession, open_session),
    "refresh_session": _rule(themselves, RefreshSession, refresh_session),
    "close_session": _rule(themselves, CloseSession, close_session),
    "close_sessions": _rule(themselves_or_administered, Nothing, close_sessions),
    "offer_factor": _rule(themselves, OfferFactor, offer_factor),
    "confirm_factor": _rule(themselves, ConfirmFactor, confirm_factor),
    "remove_factor": _rule(themselves_or_administered, Nothing, remove_factor),
    "spend_ticket": _rule(theirs, SpendTicket, spend_ticket),
}
