"""The accounts of a serving process, put together."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Self

from ingest_api.accounts.directory import Directory
from ingest_api.accounts.door import AccountsDoor
from ingest_api.accounts.keys import Keyring
from ingest_api.accounts.passwords import Passwords
from ingest_api.accounts.streams import StreamGrants
from ingest_api.accounts.throttle import Throttle
from ingest_api.accounts.tokens import Tokens
from ingest_api.entities.orders import Orders
from ingest_api.entities.views import EntityViews
from ingest_api.settings import ApiSettings
from pipeline.account_secrets import VARIABLE
from pipeline.accounts.destinations import Allowed
from pipeline.accounts.mail import MailSettings
from pipeline.accounts.sealing import Seals, SealSettings
from pipeline.clock import Clock
from pipeline.errors import Misconfigured
from pipeline.settings import Environment
from schemas.accounts.invitations import Invitation
from schemas.accounts.traces import MailRequested
from schemas.accounts.webhooks import Delivery, Webhook

_LOG = logging.getLogger("thalweg.api")


@dataclass(frozen=True)
class AccountsSettings:
    """What the accounts read from the environment beside ApiSettings."""

    seals: SealSettings = field(repr=False)
    mail: MailSettings
    allowed: Allowed

    @classmethod
    def from_environment(cls, environ: Environment, api: ApiSettings) -> Self:
        """Raises Misconfigured, naming the variable."""
        seals = SealSettings.from_environment(environ)
        if not seals.secrets and not api.is_loopback:
            raise Misconfigured(
                f"set {VARIABLE}, for instance to k1:$(openssl rand -hex 32), while the API listens on {api.host}: "
                "API keys and second factors must hold on every replica and after a restart"
            )
        return cls(seals, MailSettings.from_environment(environ), Allowed.from_environment(environ))


def assemble_accounts(
    settings: ApiSettings,
    own: AccountsSettings,
    views: EntityViews,
    orders: Orders,
    grants: StreamGrants,
    post: Callable[[MailRequested], Awaitable[object]],
    deliver: Callable[[Delivery], Awaitable[object]],
    clock: Clock,
) -> AccountsDoor:
    """Nothing is started yet."""
    if not own.seals.secrets:
        _LOG.warning("%s is not set: API keys and second factors made now end with this process", VARIABLE)
    if not settings.jwt_secrets:
        _LOG.info("THALWEG_JWT_SECRETS is not set: tokens hold for this process alone and end with it")
    seals = Seals(own.seals if own.seals.secrets else SealSettings.passing())
    tokens = Tokens(
        dict(settings.jwt_secrets) or {"process": secrets.token_hex(32)},
        clock,
        ttl=settings.token_ttl,
        algorithms=settings.jwt_algorithms,
        issuer=settings.jwt_issuer,
        audience=settings.jwt_audience,
    )
    return AccountsDoor(
        settings=settings,
        mail=own.mail,
        directory=Directory(views, tokens, seals, Keyring(settings.api_keys), orders, clock),
        orders=orders,
        grants=grants,
        seals=seals,
        tokens=tokens,
        passwords=Passwords(),
        throttle=Throttle(clock),
        webhooks=views.of(Webhook),
        invitations=views.of(Invitation),
        deliveries=views.of(Delivery),
        allowed=own.allowed,
        post=post,
        deliver=deliver,
        clock=clock,
    )
