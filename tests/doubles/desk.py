"""The accounts with no log behind them: the real door and the real deciders, in one process."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI

from ingest_api.accounts.assembly import AccountsSettings, assemble_accounts
from ingest_api.accounts.door import AccountsDoor
from ingest_api.accounts.streams import StreamGrants
from ingest_api.accounts.tokens import LEEWAY, Tokens, new_token_id
from ingest_api.domains import LIMITS
from ingest_api.entities.orders import SYSTEM, Author, Rejection, commanded, new_id
from ingest_api.entities.views import EntityViews, shelf_of
from ingest_api.probes import Probe
from ingest_api.settings import ApiSettings
from ingest_api.wiring import Part, Wiring, wire
from pipeline.accounts.deciders import DECIDERS
from pipeline.accounts.destinations import Allowed
from pipeline.accounts.envelope import Letter
from pipeline.accounts.mail import MailSettings
from pipeline.accounts.sealing import SealSettings
from pipeline.clock import Clock, now
from pipeline.entities.decide import command_of, decide
from pipeline.entities.ledger import Ledger
from pipeline.kafka.record import Record
from pipeline.kafka.view import Shelf
from pipeline.outcome import Refuse
from pipeline.received import Raw, Received
from schemas.accounts.topics import COMMANDED, DELIVERIES, INVITATIONS, KEYS, STREAMS, USERS, WEBHOOKS
from schemas.accounts.traces import MailRequested
from schemas.accounts.users import User
from schemas.accounts.webhooks import Delivery
from schemas.codec import Codec
from schemas.entity import Decided, Entity
from schemas.exchange import SOURCE_HEADER
from schemas.permissions import permitted, scopes_of
from schemas.position import Position
from schemas.topic import Topic

CODEC = Codec()
SEALS = SealSettings(("0123456789abcdef0123456789abcdef",))


class MemoryOrders:
    """Decides at once what the worker would, and shows it to the views. `outage` is raised instead, while it is set."""

    def __init__(self, views: EntityViews, clock: Clock) -> None:
        self.ledger, self._views, self._clock = Ledger(DECIDERS), views, clock
        self.mails: list[MailRequested] = []
        self.outage: Exception | None = None
        self.ordered: list[str] = []

    async def order(
        self,
        author: Author,
        kind: type[Entity],
        entity_id: str,
        command: str,
        arguments: Mapping[str, Any] | None = None,
        *,
        expected_version: int | None = None,
    ) -> Decided:
        if self.outage is not None:
            raise self.outage
        offset = len(self.ordered)
        self.ordered.append(f"{kind.KIND}.{command}")
        event = commanded(author, kind, entity_id, command, arguments or {}, expected_version, self._clock())
        raw = Raw(Position(COMMANDED.name, 0, offset), self._clock(), entity_id.encode(), CODEC.encode(event), {})
        asked = command_of(Received(event, raw))
        assert not isinstance(asked, Refuse), asked
        decision = decide(DECIDERS, self.ledger, asked)
        assert not isinstance(decision, Refuse), decision
        self.mails += [mail for told in decision.emissions if isinstance(mail := told.event, MailRequested)]
        if decision.changed:
            self._show(DECIDERS[kind.KIND].topic, entity_id, decision.entity, offset)
        if decision.answer.rejection is not None:
            raise Rejection(decision.answer.rejection, decision.answer.detail or "")
        return decision.answer

    def _show(self, topic: Topic, entity_id: str, entity: Entity | None, offset: int) -> None:
        value = None if entity is None else CODEC.encode(entity)
        headers = {SOURCE_HEADER: str(Position(COMMANDED.name, 0, offset)).encode()} if entity is None else {}
        record = Record(topic.name, 0, offset, 0, entity_id.encode(), value, headers)
        shelf: Shelf[Any] = self._views.of(topic.record)
        shelf.take([record])


class Outbox:
    """Mails and deliveries that would have gone to the log."""

    def __init__(self, views: EntityViews, mails: list[MailRequested]) -> None:
        self._deliveries, self.mails = views.of(Delivery), mails

    async def post(self, mail: MailRequested) -> None:
        self.mails.append(mail)

    async def deliver(self, delivery: Delivery) -> None:
        value = CODEC.encode(delivery)
        self._deliveries.take([Record(DELIVERIES.name, 0, 0, 0, delivery.id.encode(), value)])


class Desk:
    """`door` is the part; `orders` and `outbox` are what it wrote."""

    def __init__(
        self,
        settings: ApiSettings,
        clock: Clock = now,
        mail: MailSettings | None = None,
        allowed: Allowed | None = None,
    ) -> None:
        shelves = [shelf_of(topic, CODEC) for topic in (USERS, KEYS, WEBHOOKS, INVITATIONS, STREAMS)]
        views = EntityViews(shelves, [Shelf(DELIVERIES, Delivery, CODEC)])
        self.orders = MemoryOrders(views, clock)
        self.outbox = Outbox(views, self.orders.mails)
        self.born: dict[str, int] = {}
        self.known: Clock = clock
        """Until when every claim has been read."""
        self.grants = StreamGrants(
            views, self.orders, self.born.get, lambda: self.known(), clock, settings.streams_each
        )
        own = AccountsSettings(SEALS, mail or MailSettings(), allowed or Allowed())
        self.door: AccountsDoor = assemble_accounts(
            settings, own, views, self.orders, self.grants, self.outbox.post, self.outbox.deliver, clock
        )

    def letters(self) -> list[Letter]:
        return [Letter.opened(self.door.seals, mail.sealed) for mail in self.outbox.mails]


def wired(
    settings: ApiSettings, probes: tuple[Probe, ...] = (), clock: Clock = now, parts: tuple[Part, ...] = ()
) -> Wiring:
    """The wiring of a door whose accounts are in memory."""
    desk = Desk(settings, clock)
    return wire(settings, desk.door.directory, (desk.door, *parts), probes, clock, limits=LIMITS)


async def session_of(door: AccountsDoor, user_id: str = "admin", *, seconds: float = 1800) -> str:
    """An access token of a new session, that will be accepted for so long."""
    await door.bootstrap.done.wait()
    user = door.directory.user(user_id)
    assert user is not None, user_id
    session, access = new_id(), new_token_id()
    given = {
        "id": session,
        "digest": "d",
        "access_id": access,
        "expires_at": door.clock() + 3600_000_000,
        "password_changed_at": user.password_changed_at,
    }
    await door.orders.order(SYSTEM, User, user_id, "open_session", given)
    ttl = 3600
    late = int((ttl + LEEWAY - seconds) * 1_000_000)
    tokens = Tokens(dict(door.settings.jwt_secrets), lambda: now() - late, ttl=ttl)
    scopes = tuple(scopes_of(permitted(user.roles)))
    return tokens.issue(f"user:{user_id}", scopes, token_id=access, session=session)


def door_in(app: FastAPI) -> AccountsDoor:
    return next(part for part in app.state.wiring.parts if isinstance(part, AccountsDoor))
