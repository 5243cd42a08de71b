"""Tokens that are mailed, each with the letter that carries it, and notices: to the address that a user has, and to no
other; so many an hour, and none pushed out by what a stranger asks for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from pipeline.accounts.identity import mailbox, same_mailbox
from pipeline.outcome import Emission
from schemas.accounts.topics import MAIL
from schemas.accounts.traces import MailRequested
from schemas.accounts.users import OneTimeToken, Purpose, User

MAX_TOKENS = 4
"""Of one purpose, of one user, that hold at a time; and so many may be asked for within an hour."""
HOUR = 3600 * 1_000_000
LIFETIMES: Mapping[Purpose, int] = {Purpose.VERIFY_EMAIL: 24 * HOUR, Purpose.RESET_PASSWORD: HOUR}
"""Microseconds."""


@dataclass(frozen=True, slots=True)
class Offer:
    """A one-time token, and the letter that takes it to the user: made by whoever writes the command, who alone knows
    the token. The letter goes out where the token is kept, and only there."""

    token: OneTimeToken
    recipient: str
    letter: str = field(repr=False)
    offered_at: int

    def mail(self, user_id: str) -> Sequence[Emission]:
        token = self.token
        mail = MailRequested(user_id, self.recipient, token.purpose, self.offered_at, token.expires_at, self.letter)
        return [Emission(MAIL, mail, user_id.encode())]


@dataclass(frozen=True, slots=True)
class Notice:
    """A letter without a token, that goes out if what it tells of is decided. `purpose` is a `letters.MailPurpose`."""

    recipient: str
    letter: str = field(repr=False)
    purpose: str
    noticed_at: int
    expires_at: int

    def mail(self, user_id: str) -> Sequence[Emission]:
        mail = MailRequested(user_id, self.recipient, self.purpose, self.noticed_at, self.expires_at, self.letter)
        return [Emission(MAIL, mail, user_id.encode())]


def bound(token: str, address: str) -> str:
    """What is hashed of a token: it is good for the mailbox that it was mailed to, and for no other."""
    return f"{token}\0{mailbox(address)}"


def offers_to(offer: Offer, user: User) -> bool:
    """Whether the letter goes to the address that the user has now."""
    return same_mailbox(offer.recipient, user.email)


def with_token(user: User, token: OneTimeToken, now: int) -> Sequence[OneTimeToken] | None:
    """The user's tokens with one more; None where there are enough. Within its first hour none gives way to another:
    a stranger who asks for tokens takes none from the user, who has them all in the mailbox."""
    same = [held for held in user.tokens if held.purpose is token.purpose]
    if is_enough(user, token.purpose, now):
        return None
    kept = same[-(MAX_TOKENS - 1) :]
    return [*(held for held in user.tokens if held.purpose is not token.purpose), *kept, token]


def is_enough(user: User, purpose: Purpose, now: int) -> bool:
    """Whether so many tokens have been mailed within the hour that one more is not."""
    born_after = now - HOUR + LIFETIMES[purpose]
    young = (held for held in user.tokens if held.purpose is purpose and held.expires_at > max(born_after, now))
    return sum(1 for _ in young) >= MAX_TOKENS
