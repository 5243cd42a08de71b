"""Streams by the names that callers have for them, and what each may do: what the other parts need of the accounts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from ingest_api.entities.orders import Author
from ingest_api.principal import Principal
from schemas.grants import Access, Party

Named = Callable[[str, str, str], None]
"""(owner, name, key)"""


class Grants(Protocol):
    """All of it is looked up in memory, but for the first write to a new stream."""

    def party(self, principal: Principal) -> Party:
        """For whom the principal acts, as of now."""
        ...

    def access(self, party: Party, key: str) -> Access:
        """What the party may do with the stream of this key, whether there is one or not."""
        ...

    def key_of(self, principal: Principal, name: str) -> str:
        """The key of the stream that the caller means by a name: their own, else the one whose key it is. That they may
        do anything with it is not said."""
        ...

    async def key_to_write(self, principal: Principal, author: Author, name: str) -> str:
        """The same, of a stream that the caller may write to: a new one of their own where there is none. Raises
        Conflict where they have too many, Busy, LogUnavailable or Overloaded where it is not decided (yet)."""
        ...

    async def retire(self, author: Author, key: str) -> None:
        """The stream has been deleted; its owner may have another one for it."""
        ...

    def watch(self, named: Named) -> None:
        """`named` is called where an owner's stream has a key that is not its name."""
        ...


def reads(grants: Grants, party: Party, key: str) -> bool:
    return Access.READ in grants.access(party, key)


class Births:
    """When the state behind a stream's name began, in microseconds, by whichever domain keeps it."""

    def __init__(self) -> None:
        self._known: list[Callable[[str], int | None]] = []

    def add(self, born: Callable[[str], int | None]) -> None:
        """`born` says it of the streams of one domain; None of those that have no state there."""
        self._known.append(born)

    def __call__(self, stream: str) -> int | None:
        """The earliest; None of a stream that has no state at all."""
        return min((at for born in self._known if (at := born(stream)) is not None), default=None)
