"""Streams and their owners as this process sees them (`ingest_api.grants.Grants`)."""

from __future__ import annotations

import secrets
from collections.abc import Callable

from ingest_api.entities.orders import NOT_DECIDED, Author, Orders, Rejection, problem_of_rejection
from ingest_api.entities.views import EntityViews, Index
from ingest_api.grants import Named
from ingest_api.principal import Principal
from ingest_api.problems import Busy
from pipeline.accounts.streams import KEPT
from pipeline.clock import Clock
from schemas.accounts.roles import ADMINISTRATORS
from schemas.accounts.streams import MAX_KEY, Stream
from schemas.accounts.users import User
from schemas.grants import OPERATOR, Access, Party, Visibility, access

SETTLED = 30_000_000
"""Microseconds between a stream's beginning and what is known of owners at which one without an owner is taken for one
that has none. Its claim is in the log before it begins, but clocks differ."""
ATTEMPTS = 5
SEEN_SECONDS = 2.0
RETRY_SECONDS = 5
_UNDECIDED = (
    "This stream is new and no worker has decided yet whose it is, so that nothing was stored: "
    "send the same again after Retry-After"
)
_SUFFIX = 8


class StreamGrants:
    """`born` tells when the model of a stream began, None of one that has none; `known` until when all claims there
    were have been read (`freshness.Freshness.known`); `most` is how many streams a user may have."""

    def __init__(
        self,
        views: EntityViews,
        orders: Orders,
        born: Callable[[str], int | None],
        known: Callable[[], int],
        clock: Clock,
        most: int,
    ) -> None:
        self.streams, self._users = views.of(Stream), views.of(User)
        self._orders, self._born, self._known, self._clock, self._most = orders, born, known, clock, most
        self._own = Index(self.streams, lambda stream: (f"{stream.owner}/{stream.name}",))

    def party(self, principal: Principal) -> Party:
        return Party(self._owner(principal), principal.may("admin"))

    def access(self, party: Party, key: str) -> Access:
        stream = self.streams.entries.get(key)
        if stream is not None:
            return stream.access(party)
        if party.owner == OPERATOR or party.administers or self._is_unowned(key):
            return access(None, Visibility.OWNER, (), party)
        return Access.NONE

    def exists(self, key: str) -> bool:
        """Whether it has a model, or an owner who has not deleted it."""
        stream = self.streams.entries.get(key)
        return self._born(key) is not None or (stream is not None and stream.retired_at is None)

    def key_of(self, principal: Principal, name: str) -> str:
        own = self._own.find(f"{self._owner(principal)}/{name}")
        return name if own is None else own.id

    async def key_to_write(self, principal: Principal, author: Author, name: str) -> str:
        owner = self._owner(principal)
        for _ in range(ATTEMPTS):
            own = self._own.find(f"{owner}/{name}")
            held = own or self.streams.entries.get(name)
            if held is None and self._is_unowned(name):
                return name
            # An administrator's power is no reason to write into another's stream that happens to have this name.
            if held is not None and held.retired_at is None and Access.WRITE in held.access(Party(owner)):
                return held.id
            if await self._claimed(author, owner, name, held):
                continue
        raise Busy(_UNDECIDED, RETRY_SECONDS)

    async def retire(self, author: Author, key: str) -> None:
        if key in self.streams.entries:
            try:
                await self._orders.order(author, Stream, key, "retire")
            except Rejection as rejection:
                raise problem_of_rejection(rejection) from None

    def watch(self, named: Named) -> None:
        def seen(key: str, stream: Stream | None) -> None:
            if stream is not None and stream.name != key:
                named(stream.owner, stream.name, key)

        self.streams.watch(seen)

    def _owner(self, principal: Principal) -> str:
        """Administrators act for the installation, with whatever credential, and so do keys of the settings."""
        if principal.user is None:
            return OPERATOR
        user = self._users.entries.get(principal.user)
        return OPERATOR if user is not None and ADMINISTRATORS & set(user.roles) else principal.user

    def _is_unowned(self, key: str) -> bool:
        born = self._born(key)
        return born is not None and self._known() - born > SETTLED

    async def _claimed(self, author: Author, owner: str, name: str, held: Stream | None) -> bool:
        """Asks for a stream of that name, under a key that seems to be free; whether to look again. Raises Problem."""
        if held is not None and held.owner == owner:
            key, name = held.id, held.name
        else:
            key = self._free(name, owner)
        given = {"owner": owner, "name": name, "most": None if owner == OPERATOR else self._most}
        try:
            await self._orders.order(author, Stream, key, "claim", given)
        except Rejection as rejection:
            if rejection.code == "name_taken":  # by ourselves, at another server: it is seen in a moment
                await self.streams.until(lambda _: self._own.find(f"{owner}/{name}") is not None, SEEN_SECONDS)
            elif rejection.code != "held":
                raise problem_of_rejection(rejection) from None
        except NOT_DECIDED as error:
            # Points that nobody owns are not taken: under this name they could become another's, who claimed it before.
            raise Busy(_UNDECIDED, RETRY_SECONDS) from error
        return True

    def _free(self, name: str, owner: str) -> str:
        """A key for a new stream: the name itself, else with the beginning of its owner's id. Where that is another's
        too, nobody can have foreseen what comes instead."""
        if self._may_have(name):
            return name
        key = f"{name[: MAX_KEY - _SUFFIX - 1]}:{owner[:_SUFFIX]}"
        if self._may_have(key) and self._born(key) is None:
            return key
        random = secrets.token_hex(_SUFFIX)
        return f"{name[: MAX_KEY - len(random) - 1]}:{random}"

    def _may_have(self, key: str) -> bool:
        held = self.streams.entries.get(key)
        return held is None or (held.retired_at is not None and self._clock() - held.retired_at > KEPT)
