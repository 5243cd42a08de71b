"""Who may do what with a thing that has an owner: the one check that every way to it uses."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from enum import Flag, StrEnum, auto

OPERATOR = "operator"
"""The owner of what administrators and the keys of the settings make: the installation itself."""


class Visibility(StrEnum):
    """Whom a thing is shown to, beside its owner and administrators."""

    OWNER = "owner"  # nobody
    TEAM = "team"  # its members, who may write too
    PUBLIC_READ = "public-read"  # everybody reads, members write


class Access(Flag):
    NONE = 0
    READ = auto()
    WRITE = auto()
    MANAGE = auto()


@dataclass(frozen=True, slots=True)
class Party:
    """For whom somebody acts: `owner` is a user's id, or OPERATOR; `administers` reaches all there is."""

    owner: str
    administers: bool = False


def access(owner: str | None, visibility: Visibility, members: Collection[str], party: Party) -> Access:
    """What the party may do with a thing of that owner; None: with one that nobody owns, which is everybody's until an
    administrator gives it an owner. What the operator owns is managed by administrators alone."""
    if party.administers:
        return Access.READ | Access.WRITE | Access.MANAGE
    if owner is None:
        return Access.READ | Access.WRITE
    if party.owner == owner:
        return Access.READ | Access.WRITE | (Access.NONE if owner == OPERATOR else Access.MANAGE)
    if visibility is not Visibility.OWNER and party.owner in members:
        return Access.READ | Access.WRITE
    return Access.READ if visibility is Visibility.PUBLIC_READ else Access.NONE
