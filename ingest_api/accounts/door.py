"""What the accounts routes work with, and the part of the wiring that keeps it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from starlette.requests import HTTPConnection

from ingest_api.accounts.bootstrap import Bootstrap
from ingest_api.accounts.directory import Directory
from ingest_api.accounts.passwords import Passwords
from ingest_api.accounts.streams import StreamGrants
from ingest_api.accounts.throttle import Throttle
from ingest_api.accounts.tokens import Tokens
from ingest_api.entities.orders import NOT_DECIDED, SYSTEM, Orders, Rejection
from ingest_api.entities.views import Group
from ingest_api.principal import Principal
from ingest_api.problems import FieldError, Forbidden, Unauthenticated
from ingest_api.settings import ApiSettings
from ingest_api.wiring import context_of
from pipeline.accounts.destinations import Allowed, examine
from pipeline.accounts.destinations import Forbidden as NoDestination
from pipeline.accounts.mail import MailSettings
from pipeline.accounts.sealing import Seals
from pipeline.clock import Clock
from pipeline.kafka.view import Shelf
from schemas.accounts.invitations import Invitation
from schemas.accounts.keys import Key
from schemas.accounts.traces import MailRequested
from schemas.accounts.users import User
from schemas.accounts.webhooks import Delivery, Webhook

USES_SECONDS = 60.0
"""How often it is noted which keys were used."""
_LOG = logging.getLogger("thalweg.api")
Post = Callable[[MailRequested], Awaitable[object]]
Deliver = Callable[[Delivery], Awaitable[object]]


@dataclass
class AccountsDoor:
    """A part of the wiring, started behind the views and the gate."""

    settings: ApiSettings
    mail: MailSettings
    directory: Directory
    orders: Orders
    grants: StreamGrants
    seals: Seals
    tokens: Tokens
    passwords: Passwords
    throttle: Throttle
    webhooks: Shelf[Webhook]
    invitations: Shelf[Invitation]
    deliveries: Shelf[Delivery]
    allowed: Allowed
    post: Post
    deliver: Deliver
    clock: Clock
    name: str = "accounts"
    bootstrap: Bootstrap = field(init=False)
    _noting: asyncio.Task[None] | None = None

    def __post_init__(self) -> None:
        self._webhooks_by_owner = Group(self.webhooks, lambda webhook: webhook.owner)
        self._deliveries_by_webhook = Group(self.deliveries, lambda delivery: delivery.webhook)
        self.bootstrap = Bootstrap(self.settings, self.directory, self.orders, self.passwords)

    async def start(self) -> None:
        self.bootstrap.start()
        self._noting = asyncio.create_task(self._note_uses())

    async def stop(self) -> None:
        await self.bootstrap.stop()
        if self._noting is not None:
            self._noting.cancel()
        self.passwords.close()

    async def tell(self, user: User, letter: Callable[..., MailRequested], *facts: object) -> None:
        """Writes to a user what the user may not have done: one of `letters` that hold no token. `facts` are what it
        takes beside the user."""
        if user.email is not None and self.mail.reaches:
            where = self.seals, user.id, user.email, user.username
            await self.post(letter(*where, *facts, self.mail.public_url, self.clock()))

    def webhooks_of(self, user_id: str) -> list[Webhook]:
        return self._webhooks_by_owner.members(user_id)

    def deliveries_of(self, webhook_id: str) -> list[Delivery]:
        return self._deliveries_by_webhook.members(webhook_id)

    def check_url(self, url: str) -> list[FieldError]:
        """Where a webhook may not go. What its host resolves to is looked at each time something is sent."""
        found = examine(url, self.allowed)
        return [FieldError("url", found.detail)] if isinstance(found, NoDestination) else []

    async def _note_uses(self) -> None:
        while True:
            await asyncio.sleep(USES_SECONDS)
            uses, self.directory.uses = self.directory.uses, {}
            for key_id, at in uses.items():
                try:
                    await self.orders.order(SYSTEM, Key, key_id, "used", {"at": at})
                except (Rejection, *NOT_DECIDED) as error:
                    _LOG.info("the last use of the key %s is not noted: %s", key_id, error)


def door_of(connection: HTTPConnection) -> AccountsDoor:
    """The door of the application that serves this connection. Raises Busy where it has none."""
    return context_of(connection, AccountsDoor, "accounts street")


def themselves(door: AccountsDoor, principal: Principal) -> User:
    """The user behind a caller. Raises Forbidden for a key of the settings, which belongs to nobody."""
    if principal.user is None:
        raise Forbidden("account:manage")
    user = door.directory.user(principal.user)
    if user is None:
        raise Unauthenticated("The token is not valid", error="invalid_token")
    return user
