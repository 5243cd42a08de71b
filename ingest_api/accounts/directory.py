"""Who a credential stands for, by the users and keys as this process sees them."""

from __future__ import annotations

import hmac
from functools import lru_cache

from ingest_api.accounts.keys import Keyring, looks_like_one
from ingest_api.accounts.tokens import Claims, Tokens, Use
from ingest_api.entities.orders import Author, Orders, Rejection
from ingest_api.entities.views import EntityViews, Group, Index
from ingest_api.presence import Presence
from ingest_api.principal import Principal
from ingest_api.problems import Unauthenticated
from pipeline.accounts import identity
from pipeline.accounts.sealing import Seals
from pipeline.clock import Clock
from schemas.accounts.keys import Key
from schemas.accounts.users import Session, Status, User
from schemas.permissions import OWN, permissions_of, permitted

BEHIND_SECONDS = 1.0
"""How long a token may be ahead of our view: another replica issued it a moment ago."""


def invalid(what: str = "The token is not valid") -> Unauthenticated:
    return Unauthenticated(what, error="invalid_token")


_PROOF = 32
"""Hexadecimal digits, of 128 bits."""
_KEY, _ENDED = "The API key is not valid", "The session has ended: log in again"


class Directory:
    """`principal.Accounts` over the log. Whoever is not active, was logged out or has lost a key is nobody, as soon as
    this process has seen the change."""

    def __init__(
        self, views: EntityViews, tokens: Tokens, seals: Seals, keyring: Keyring, orders: Orders, clock: Clock
    ) -> None:
        self.presence = Presence()
        self._tokens, self._seals, self._keyring = tokens, seals, keyring
        self._orders, self._clock = orders, clock
        self.users, self.keys = views.of(User), views.of(Key)
        self._by_name = Index(self.users, lambda user: (identity.username(user.username),))
        self._by_email = Index(self.users, lambda user: () if user.email is None else (identity.mailbox(user.email),))
        self._by_number = Index(self.users, lambda user: (str(user.number),))
        self._by_digest = Index(self.keys, lambda key: (key.digest,))
        self._by_owner = Group(self.keys, lambda key: key.owner)
        self.users.watch(lambda user_id, _: self.presence.changed(user_id))
        self.keys.watch(lambda key_id, _: self.presence.changed(key_id))
        self.uses: dict[str, int] = {}
        """Keys that were used since somebody last took note: when."""

    def user(self, user_id: str) -> User | None:
        return self.users.entries.get(user_id)

    def named(self, identifier: str) -> User | None:
        """By user name or address."""
        text = identifier.strip()
        return self._by_name.find(identity.username(text)) or self._by_email.find(identity.mailbox(text))

    def numbered(self, text: str) -> User | None:
        """By id, or by the number of clients that know numbers alone."""
        return self.user(text) or self._by_number.find(text)

    def keys_of(self, user_id: str) -> list[Key]:
        return self._by_owner.members(user_id)

    async def authenticate_key(self, key: str) -> Principal:
        configured = self._keyring.find(key)
        if configured is not None:
            return configured
        if not looks_like_one(key):
            raise invalid(_KEY)
        digests = self._seals.digests("key", key)
        found = next((entity for digest in digests if (entity := self._by_digest.find(digest)) is not None), None)
        # Found by a keyed hash, from which no time that a search takes leads back to the key; compared all the same.
        if found is None or not any(hmac.compare_digest(digest, found.digest) for digest in digests):
            raise invalid(_KEY)
        principal = self._of_key(found)
        self.uses[found.id] = self._clock()
        return principal

    async def principal_for_token(self, token: str) -> Principal:
        claims = self._tokens.read(token)
        user = await self._as_of(claims)
        session = _open(user, claims.session)
        if session.access_id != claims.token_id:
            raise invalid(_ENDED)
        return self._of_session(user, session, claims)

    async def principal_for_cookie(self, cookie: str) -> Principal:
        claims = self._tokens.read(cookie, Use.COOKIE)
        user = await self._as_of(claims)
        return self._of_session(user, _open(user, claims.session), claims)

    async def principal_for_ticket(self, ticket: str) -> Principal:
        claims = self._tokens.read(ticket, Use.TICKET)
        kind, _, entity_id = claims.subject.partition(":")
        principal = await self._of_ticket(kind, entity_id, claims)
        user = self.user(principal.user or "")
        if user is None or any(ticket.id == claims.token_id for ticket in user.tickets):
            raise invalid("The ticket has been used, or has expired")
        spent = {"id": claims.token_id, "expires_at": claims.expires_at}
        try:
            await self._orders.order(Author(principal.id), User, principal.user or "", "spend_ticket", spent)
        except Rejection as rejection:
            raise invalid(rejection.detail) from None
        return principal

    async def principal_for_resumed(self, ticket: str, proof: str) -> Principal:
        """A browser's EventSource connects again by itself to the address that it began with, and the ticket in it is
        used up. What it adds is the last id that it was told, and that holds a proof which nobody else was told, and
        which stands in no address: so it goes on as long as the session, or the key, does."""
        shown = proof.encode("utf-8", "surrogateescape")
        if not any(
            hmac.compare_digest(each[:_PROOF].encode(), shown) for each in self._seals.digests("resume", ticket)
        ):
            raise invalid("The ticket has been used, or has expired")
        claims = self._tokens.read(ticket, Use.TICKET, expired=True)
        kind, _, entity_id = claims.subject.partition(":")
        return await self._of_ticket(kind, entity_id, claims)

    def resume_proof(self, ticket: str) -> str:
        return self._seals.digest("resume", ticket)[:_PROOF]

    async def _of_ticket(self, kind: str, entity_id: str, claims: Claims) -> Principal:
        if kind == "key":
            return self._of_key(self._key(entity_id))
        user = await self._as_of(claims)
        return self._of_session(user, _open(user, claims.session), claims, lasting=True)

    def recheck(self, principal: Principal) -> Principal:
        if principal.expires_at is not None and principal.expires_at <= self._clock():
            raise invalid("The credential has expired")
        if principal.key is not None:
            return self._of_key(self._key(principal.key))
        if principal.user is None:
            return principal  # a key of the settings, which change with the process alone
        user = self._active(principal.user)
        _open(user, principal.session)
        scopes = principal.scopes & (permitted(user.roles) | OWN)
        return Principal(principal.id, user.username, scopes, user.id, principal.session, None, principal.expires_at)

    def csrf_token(self, session: str) -> str:
        return self._seals.digest("csrf", session)

    def _key(self, key_id: str) -> Key:
        key = self.keys.entries.get(key_id)
        if key is None:
            raise invalid(_KEY)
        return key

    def _of_key(self, key: Key) -> Principal:
        if key.expires_at is not None and key.expires_at <= self._clock():
            raise invalid("The API key has expired")
        owner = self._active(key.owner)
        scopes = frozenset(key.permissions) & permitted(owner.roles) - OWN
        return Principal(f"key:{key.id}", key.name, scopes, owner.id, None, key.id, key.expires_at)

    def _of_session(self, user: User, session: Session, claims: Claims, *, lasting: bool = False) -> Principal:
        """`lasting`: what comes in by a ticket stays as long as the session."""
        granted = _permissions(claims.scopes) & permitted(user.roles) | OWN
        expires_at = None if lasting else claims.expires_at
        return Principal(f"user:{user.id}", user.username, granted, user.id, session.id, None, expires_at)

    async def _as_of(self, claims: Claims) -> User:
        """The user at least as the token's issuer saw it."""
        _, _, user_id = claims.subject.partition(":")
        held = self.user(user_id)
        if held is None or held.version < claims.version:

            def caught_up(_: object) -> bool:
                user = self.user(user_id)
                return user is not None and user.version >= claims.version

            await self.users.until(caught_up, BEHIND_SECONDS)
        return self._active(user_id)

    def _active(self, user_id: str) -> User:
        user = self.user(user_id)
        if user is None:
            raise invalid()
        if user.status is not Status.ACTIVE:
            raise invalid(f"This account is {user.status}")
        return user


def _open(user: User, session_id: str | None) -> Session:
    session = user.session(session_id or "")
    if session is None:
        raise invalid(_ENDED)
    return session


@lru_cache(maxsize=1000)
def _permissions(scopes: tuple[str, ...]) -> frozenset[str]:
    try:
        return permissions_of(scopes)
    except ValueError:
        raise invalid() from None
