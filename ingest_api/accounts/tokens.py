"""Tokens of ours: JWT (RFC 7519) signed by a key that the header names, so that keys can be rotated, each kind of a
type of its own, so that none passes for another (RFC 8725, 3.11)."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

import jwt

from ingest_api.problems import TokenExpired, Unauthenticated
from pipeline.clock import Clock

LEEWAY = 10
"""Seconds by which the clocks of two replicas may differ."""
_REQUIRED = ["iss", "aud", "sub", "exp", "iat", "jti", "scope"]


class Use(StrEnum):
    ACCESS = "at+jwt"
    COOKIE = "session+jwt"
    TICKET = "ticket+jwt"


@dataclass(frozen=True, slots=True)
class Claims:
    """What a valid token says. `session` is the login it belongs to, `version` that of the user when it was issued;
    `expires_at` in microseconds."""

    subject: str
    scopes: tuple[str, ...]
    token_id: str
    session: str | None
    version: int
    expires_at: int


class Tokens:
    """Issues and reads tokens. `keys` are secrets by kid; the first signs, with the first of `algorithms`."""

    def __init__(
        self,
        keys: Mapping[str, str],
        clock: Clock,
        *,
        ttl: int = 1800,
        algorithms: tuple[str, ...] = ("HS256",),
        issuer: str = "thalweg",
        audience: str = "thalweg-api",
    ) -> None:
        self._keys, self._clock, self.ttl = dict(keys), clock, ttl
        self._algorithms, self._issuer, self._audience = algorithms, issuer, audience

    def issue(
        self,
        subject: str,
        scopes: tuple[str, ...],
        *,
        use: Use = Use.ACCESS,
        token_id: str | None = None,
        session: str | None = None,
        version: int = 0,
        ttl: int | None = None,
    ) -> str:
        """`ttl` in seconds, an access token's where it is None."""
        kid = next(iter(self._keys))
        issued = self._clock() // 1_000_000
        claims = {
            "iss": self._issuer,
            "aud": self._audience,
            "sub": subject,
            "scope": " ".join(scopes),
            "iat": issued,
            "exp": issued + (self.ttl if ttl is None else ttl),
            "jti": token_id or new_token_id(),
            "ver": version,
        } | ({} if session is None else {"sid": session})
        return jwt.encode(claims, self._keys[kid], self._algorithms[0], headers={"kid": kid, "typ": use})

    def read(self, token: str, use: Use = Use.ACCESS, *, expired: bool = False) -> Claims:
        """Raises Unauthenticated for anything not issued for this use under one of these keys and valid now; `expired`
        takes what was valid once."""
        try:
            header = jwt.get_unverified_header(token)
            if header.get("typ") != use:
                raise jwt.InvalidTokenError
            claims = jwt.decode(
                token,
                self._keys[header["kid"]],
                algorithms=list(self._algorithms),
                issuer=self._issuer,
                audience=self._audience,
                leeway=LEEWAY,
                options={"require": _REQUIRED, "verify_exp": not expired},
            )
            session = claims.get("sid")
            return Claims(
                str(claims["sub"]),
                tuple(str(claims["scope"]).split()),
                str(claims["jti"]),
                None if session is None else str(session),
                int(claims.get("ver", 0)),
                int(claims["exp"]) * 1_000_000,
            )
        except jwt.ExpiredSignatureError:
            raise TokenExpired from None
        except (jwt.InvalidTokenError, KeyError, TypeError, ValueError):
            raise Unauthenticated("The token is not valid", error="invalid_token") from None


def new_token_id() -> str:
    return secrets.token_hex(16)
