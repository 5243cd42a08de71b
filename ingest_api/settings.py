"""What an operator may set of the door. Read from the environment once, at the process's entry."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass, field
from enum import StrEnum

from ingest_api.accounts.keys import ApiKey
from pipeline.errors import Misconfigured
from pipeline.settings import Environment, between, flag, loopback, secret, setting

DEVELOPMENT_PASSWORD = "admin123"
_ALGORITHMS = ("HS256", "HS384", "HS512")
_KID = re.compile(r"[A-Za-z0-9._-]{1,32}")


class Registering(StrEnum):
    """Who may become a user by registering."""

    OFF = "off"
    INVITE = "invite"
    ON = "on"


@dataclass(frozen=True)
class ApiSettings:
    """Settings of one API process. Each field names its variable; the default holds where it is unset.

    - `host` (THALWEG_API_HOST, 127.0.0.1), `port` (THALWEG_API_PORT, 8000; 0 takes a free one): where it listens.
    - `ordinal` (THALWEG_API_ORDINAL, 0): number of this process among its replicas, each its own; it is the
      partition of replies.v1 on which the process gets its answers.
    - `trusted_proxies` (THALWEG_TRUSTED_PROXIES, none): addresses or networks whose X-Forwarded-For and
      X-Forwarded-Proto are believed; commas between.
    - `cors_origins` (THALWEG_CORS_ORIGINS, none): web origins (https://console.example) that may read answers.
    - `body_limit` (THALWEG_BODY_LIMIT, 10485760): bytes a request body may have; more is answered 413.
    - `body_timeout` (THALWEG_BODY_TIMEOUT, 30): seconds a body may take to arrive; longer is answered 408.
    - `body_memory` (THALWEG_BODY_MEMORY, 268435456): bytes of request bodies held at a time; more get 503.
    - `max_points` (THALWEG_MAX_POINTS, 10000): points a request may carry.
    - `max_connections` (THALWEG_API_CONNECTIONS, 4096): requests and WebSockets at a time; more get 503.
    - `token_ttl` (THALWEG_TOKEN_TTL, 1800): seconds an access token is valid.
    - `verify_email` (THALWEG_VERIFY_EMAIL, on): whether users who registered themselves verify their address before
      they can log in.
    - `streams_each` (THALWEG_STREAMS_EACH, 1000): streams that one user may have; a new one beyond is answered 409.
    - `registration` (THALWEG_REGISTRATION, on where the host is loopback, else off): who may register: nobody, whom an
      administrator invites, anybody.
    - `jwt_secrets` (THALWEG_JWT_SECRETS, random on loopback, else required): `kid:secret`, commas between, each
      secret at least 32 characters. The first signs, all are accepted: to rotate, put a new one first and drop
      the old one a token's life later. All replicas need the same.
    - `jwt_algorithms` (THALWEG_JWT_ALGORITHMS, HS256): the first signs, all listed are accepted, no others.
    - `jwt_issuer` (THALWEG_JWT_ISSUER, thalweg), `jwt_audience` (THALWEG_JWT_AUDIENCE, thalweg-api).
    - `admin_password` (THALWEG_ADMIN_PASSWORD): password of the user `admin`, at least 12 characters, with which the
      first start makes that user; it is changed like any other's.
    - `dev_admin` (THALWEG_DEV_ADMIN, on where the host is loopback and no password is set): lets `admin` in with
      the password `admin123`, if the caller is a program of the same user on this machine that can be seen to pass
      nothing on. Without it and without a password the server does not start.
    - `dev_password` (THALWEG_DEV_PASSWORD, made by `thalweg up`): another password of the development administrator,
      which is secret, and good from anywhere.
    - `api_keys` (THALWEG_API_KEYS, none): hashed keys as `python -m ingest_api.accounts.keys` prints them.
    - `rate_limits` (THALWEG_RATE_LIMITS, on): `off`, `on`, or a factor by which every limit is multiplied.
    """

    host: str = "127.0.0.1"
    port: int = 8000
    ordinal: int = 0
    trusted_proxies: tuple[str, ...] = ()
    cors_origins: tuple[str, ...] = ()
    body_limit: int = 10 * 1024 * 1024
    body_timeout: int = 30
    body_memory: int = 256 * 1024 * 1024
    max_points: int = 10_000
    max_connections: int = 4096
    token_ttl: int = 1800
    verify_email: bool = True
    registration: Registering = Registering.ON
    streams_each: int = 1000
    jwt_secrets: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    jwt_algorithms: tuple[str, ...] = ("HS256",)
    jwt_issuer: str = "thalweg"
    jwt_audience: str = "thalweg-api"
    admin_password: str | None = field(default=None, repr=False)
    dev_admin: bool = False
    dev_password: str | None = field(default=None, repr=False)
    api_keys: tuple[ApiKey, ...] = ()
    rate_limits: float = 1.0

    def __post_init__(self) -> None:
        if self.dev_admin and not self.is_loopback:
            raise Misconfigured(
                f"THALWEG_DEV_ADMIN cannot be on while the API listens on {self.host}, which others can reach: "
                "set THALWEG_ADMIN_PASSWORD instead"
            )
        if not self.dev_admin and self.admin_password is None:
            raise Misconfigured("set THALWEG_ADMIN_PASSWORD: the API does not start without an administrator")
        if not self.jwt_secrets and not self.is_loopback:
            raise Misconfigured(
                f"set THALWEG_JWT_SECRETS, for instance to k1:$(openssl rand -hex 32), while the API listens on "
                f"{self.host}: tokens must be valid on every replica and after a restart"
            )

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can reach the address listened on."""
        return loopback(self.host)

    @classmethod
    def from_environment(cls, environ: Environment) -> ApiSettings:
        """Raises Misconfigured, naming the variable and what to set."""
        host = setting(environ, "THALWEG_API_HOST", cls.host, str)
        password = secret(environ, "THALWEG_ADMIN_PASSWORD", None, _password)
        return cls(
            host=host,
            port=setting(environ, "THALWEG_API_PORT", cls.port, between(0, 65535)),
            ordinal=setting(environ, "THALWEG_API_ORDINAL", cls.ordinal, between(0, 999)),
            trusted_proxies=setting(environ, "THALWEG_TRUSTED_PROXIES", (), _networks),
            cors_origins=setting(environ, "THALWEG_CORS_ORIGINS", (), _origins),
            body_limit=setting(environ, "THALWEG_BODY_LIMIT", cls.body_limit, between(1024, 1 << 30)),
            body_timeout=setting(environ, "THALWEG_BODY_TIMEOUT", cls.body_timeout, between(1, 3600)),
            body_memory=setting(environ, "THALWEG_BODY_MEMORY", cls.body_memory, between(1024, 1 << 40)),
            max_points=setting(environ, "THALWEG_MAX_POINTS", cls.max_points, between(1, 1_000_000)),
            max_connections=setting(environ, "THALWEG_API_CONNECTIONS", cls.max_connections, between(1, 1_000_000)),
            token_ttl=setting(environ, "THALWEG_TOKEN_TTL", cls.token_ttl, between(60, 86_400)),
            verify_email=setting(environ, "THALWEG_VERIFY_EMAIL", cls.verify_email, flag),
            streams_each=setting(environ, "THALWEG_STREAMS_EACH", cls.streams_each, between(1, 1_000_000)),
            registration=setting(
                environ, "THALWEG_REGISTRATION", Registering.ON if loopback(host) else Registering.OFF, _registering
            ),
            jwt_secrets=secret(environ, "THALWEG_JWT_SECRETS", (), _secrets),
            jwt_algorithms=setting(environ, "THALWEG_JWT_ALGORITHMS", cls.jwt_algorithms, _algorithms),
            jwt_issuer=setting(environ, "THALWEG_JWT_ISSUER", cls.jwt_issuer, str),
            jwt_audience=setting(environ, "THALWEG_JWT_AUDIENCE", cls.jwt_audience, str),
            admin_password=password,
            dev_admin=setting(environ, "THALWEG_DEV_ADMIN", password is None and loopback(host), flag),
            dev_password=secret(environ, "THALWEG_DEV_PASSWORD", None, _password),
            api_keys=secret(environ, "THALWEG_API_KEYS", (), _keys),
            rate_limits=setting(environ, "THALWEG_RATE_LIMITS", cls.rate_limits, _factor),
        )


def _listed(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


def _networks(text: str) -> tuple[str, ...]:
    return tuple(str(ipaddress.ip_network(part, strict=False)) for part in _listed(text))


def _origins(text: str) -> tuple[str, ...]:
    origins = _listed(text)
    for origin in origins:
        if not re.fullmatch(r"https?://[^/\s*]+", origin):
            raise ValueError(f"{origin!r} is no origin; the form is https://host[:port]")
    return origins


def _secrets(text: str) -> tuple[tuple[str, str], ...]:
    pairs = [tuple(part.partition(":")[::2]) for part in _listed(text)]
    for kid, value in pairs:
        if not _KID.fullmatch(kid) or len(value.encode()) < 32:
            raise ValueError("each is kid:secret, the secret at least 32 characters (openssl rand -hex 32)")
    if len({kid for kid, _ in pairs}) < len(pairs):
        raise ValueError("two secrets have the same kid")
    return tuple((kid, value) for kid, value in pairs)


def _algorithms(text: str) -> tuple[str, ...]:
    names = _listed(text)
    if not names or any(name not in _ALGORITHMS for name in names):
        raise ValueError(f"some of {', '.join(_ALGORITHMS)}, the first signs")
    return names


def _registering(text: str) -> Registering:
    try:
        return Registering(text.lower())
    except ValueError:
        raise ValueError(f"one of {', '.join(Registering)}") from None


def _password(text: str) -> str:
    if len(text) < 12:
        raise ValueError("a password has at least 12 characters")
    return text


def _keys(text: str) -> tuple[ApiKey, ...]:
    keys = tuple(ApiKey.parse(part) for part in _listed(text))
    if len({key.name for key in keys}) < len(keys):
        raise ValueError("two keys have the same name")
    return keys


def _factor(text: str) -> float:
    words = {"on": 1.0, "off": 0.0}
    factor = words[text.lower()] if text.lower() in words else float(text)
    if not 0 <= factor <= 1_000_000:
        raise ValueError("off, on, or a factor up to 1000000")
    return factor
