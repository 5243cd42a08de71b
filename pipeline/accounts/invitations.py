"""Decisions about invitations. What one is good for is decided where a user registers (`users.register`)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from pipeline.accounts.authority import guarded, invited, whoever_shows_it
from pipeline.entities.decider import Command, Decider, Mark, Nothing, Others, Rejected, changing, making
from schemas.accounts.invitations import Invitation
from schemas.accounts.topics import INVITATIONS as TOPIC

MAX_INVITATIONS = 1000
"""That wait to be used, of all administrators together."""


@dataclass(frozen=True, slots=True)
class Make:
    digest: str = field(repr=False)
    expires_at: int
    owner: str | None = None
    email: str | None = None


def make(given: Make, command: Command, others: Others) -> Invitation | Rejected:
    if others.count(Invitation, ("all", "open")) >= MAX_INVITATIONS:
        return Rejected("too_many_invitations", f"At most {MAX_INVITATIONS} may be open: withdraw some first")
    return Invitation(
        **command.birth, digest=given.digest, expires_at=given.expires_at, owner=given.owner, email=given.email
    )


def delete(invitation: Invitation, given: Nothing, command: Command, others: Others) -> None:
    return None


def groups(invitation: Invitation) -> Iterable[Mark]:
    yield "all", "open"


INVITATIONS = Decider(
    TOPIC,
    {
        "make": guarded(making(Make, make), invited),
        "spend": guarded(changing(Nothing, delete), whoever_shows_it),
        "delete": guarded(changing(Nothing, delete), invited),
    },
    groups=groups,
)
