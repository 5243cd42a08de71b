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
