"""Grants of an installation where every stream is everybody's."""

from __future__ import annotations

from ingest_api.entities.orders import Author
from ingest_api.grants import Named
from ingest_api.principal import Principal
from schemas.grants import OPERATOR, Access, Party

EVERYBODY = Party(OPERATOR)


class Hiding:
    """`ingest_api.grants.Grants` that hide some streams from everybody; names are keys, but for those in `called`."""

    def __init__(self, *hidden: str, **called: str) -> None:
        self.hidden, self.called = set(hidden), called

    def party(self, principal: Principal) -> Party:
        return EVERYBODY

    def access(self, party: Party, key: str) -> Access:
        return Access.NONE if key in self.hidden else Access.READ | Access.WRITE

    def key_of(self, principal: Principal, name: str) -> str:
        return self.called.get(name, name)

    async def key_to_write(self, principal: Principal, author: Author, name: str) -> str:
        return self.key_of(principal, name)

    async def retire(self, author: Author, key: str) -> None: ...

    def watch(self, named: Named) -> None: ...


class Open(Hiding):
    """That hide none."""
