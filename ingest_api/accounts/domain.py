"""The accounts domain in the API: users, keys, webhooks, who owns which stream, and the audit."""

from __future__ import annotations

from functools import partial
from operator import attrgetter

from fastapi import APIRouter

from ingest_api.accounts.assembly import AccountsSettings, assemble_accounts
from ingest_api.accounts.freshness import Freshness
from ingest_api.accounts.routes import router as accounts
from ingest_api.accounts.streams import StreamGrants
from ingest_api.audit.outcome import observer_of
from ingest_api.audit.recorder import Audit
from ingest_api.audit.routes import router as audit
from ingest_api.domain import Domain, Opened, Shared
from ingest_api.limits import Limit
from pipeline.kafka.group import GroupWatch
from pipeline.kafka.view import Shelf
from schemas.accounts.topics import COMMANDED, DELIVERIES, INVITATIONS, KEYS, MAIL, STREAMS, USERS, WEBHOOKS
from schemas.accounts.webhooks import Delivery
from schemas.catalogue import group_reading
from schemas.codec import Codec

router = APIRouter()
router.include_router(accounts)
router.include_router(audit)
_LOGIN = Limit("login", 10, 100)
_MAILED = Limit("mailed", 5, 20)
_SECOND_FACTOR = Limit("second_factor", 10, 60)


def open_accounts(shared: Shared) -> Opened:
    gate, clock, own = shared.gate, shared.clock, shared.settings
    assert isinstance(own, AccountsSettings), own
    orders = shared.commands(COMMANDED)
    end = GroupWatch(shared.kafka, group_reading(COMMANDED), [(STREAMS.name, 0)]).end
    owners = Freshness(end, partial(shared.views.reached, STREAMS), clock)
    grants = StreamGrants(shared.views, orders, shared.births, owners.known, clock, shared.api.streams_each)
    context = assemble_accounts(
        shared.api,
        own,
        shared.views,
        orders,
        grants,
        lambda mail: gate.tell(MAIL, mail.user, mail),
        lambda delivery: gate.tell(DELIVERIES, delivery.id, delivery),
        clock,
    )
    recorder = Audit(shared.kafka, shared.api.ordinal, shared.codec, clock, shared.reader)
    return Opened((owners,), (context, recorder), accounts=context.directory, grants=grants)


def shelves(codec: Codec) -> list[Shelf[Delivery]]:
    return [Shelf(DELIVERIES, Delivery, codec, order=attrgetter("advance"))]


DOMAIN = Domain(
    "accounts",
    router,
    open_accounts,
    AccountsSettings.from_environment,
    limits={
        "/auth/login": _LOGIN,
        "/api/auth/login": _LOGIN,
        "/api/auth/register": Limit("register", 3, 3),
        "/api/auth/verify-email": _SECOND_FACTOR,
        "/api/auth/resend-verification": _MAILED,
        "/api/auth/forgot-password": _MAILED,
        "/api/auth/reset-password": _SECOND_FACTOR,
        "/api/auth/2fa/verify": _SECOND_FACTOR,
        "/api/auth/2fa/disable": _SECOND_FACTOR,
    },
    entities=(USERS, KEYS, WEBHOOKS, INVITATIONS, STREAMS),
    shelves=shelves,
    observer=observer_of,
)
