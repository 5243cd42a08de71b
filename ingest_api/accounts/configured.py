"""Accounts from the settings: the user `admin`, and the keys of THALWEG_API_KEYS."""

from __future__ import annotations

import logging
import secrets

from ingest_api.accounts.keys import Keyring
from ingest_api.accounts.passwords import Passwords
from ingest_api.accounts.tokens import Tokens
from ingest_api.principal import Principal, Token
from ingest_api.problems import Unauthenticated
from ingest_api.settings import DEVELOPMENT_PASSWORD, ApiSettings
from pipeline.clock import Clock
from schemas.accounts.permissions import SCOPES, permissions_of, scopes_of

ADMIN = Principal("user:admin", "admin", permissions_of(SCOPES))
_LOG = logging.getLogger("thalweg.api")


class ConfiguredAccounts:
    """The settings' answer to principal.Accounts. It is a part: `start` hashes the password before anyone asks,
    and once stopped it does not start again."""

    name = "accounts"

    def __init__(self, settings: ApiSettings, clock: Clock) -> None:
        self._development = settings.dev_admin and settings.admin_password is None
        self._password = settings.admin_password or DEVELOPMENT_PASSWORD
        self._ephemeral = not settings.jwt_secrets
        self._tokens = Tokens(
            dict(settings.jwt_secrets) or {"process": secrets.token_hex(32)},
            clock,
            ttl=settings.token_ttl,
            algorithms=settings.jwt_algorithms,
            issuer=settings.jwt_issuer,
            audience=settings.jwt_audience,
        )
        self._keyring = Keyring(settings.api_keys)
        self._passwords = Passwords()
        self._hash: str | None = None

    async def start(self) -> None:
        self._hash = await self._passwords.hash(self._password)
        if self._development:
            _LOG.warning(
                "DEVELOPMENT ADMIN IS ON: anyone on this machine can log in as admin / %s. "
                "Set THALWEG_ADMIN_PASSWORD, or THALWEG_DEV_ADMIN=off, before anyone else can reach it.",
                DEVELOPMENT_PASSWORD,
            )
        if self._ephemeral:
            _LOG.info("THALWEG_JWT_SECRETS is not set: tokens hold for this process alone and end with it")

    async def stop(self) -> None:
        self._passwords.close()

    async def authenticate_password(self, username: str, password: str, *, local: bool) -> Principal:
        known = username == ADMIN.name and (local or not self._development)
        if not await self._passwords.verify(self._hash if known else None, password):
            raise Unauthenticated("The user name or the password is wrong")
        return ADMIN

    async def authenticate_key(self, key: str) -> Principal:
        principal = self._keyring.find(key)
        if principal is None:
            raise Unauthenticated("The API key is not valid", error="invalid_token")
        return principal

    async def principal_for_token(self, token: str) -> Principal:
        claims = self._tokens.read(token)
        if claims.subject != ADMIN.id:
            raise Unauthenticated("The token is not valid", error="invalid_token")
        granted = [scope for scope in claims.scopes if scope in SCOPES]
        return Principal(ADMIN.id, ADMIN.name, permissions_of(granted) & ADMIN.scopes)

    async def token_for(self, principal: Principal) -> Token:
        scopes = tuple(scopes_of(principal.scopes))
        return Token(self._tokens.issue(principal.id, scopes), self._tokens.ttl, " ".join(scopes))
