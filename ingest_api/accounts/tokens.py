"""Access tokens: JWT (RFC 7519) signed by a key that the header names, so that keys can be rotated."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass

import jwt

from ingest_api.problems import Unauthenticated
from pipeline.clock import Clock

LEEWAY = 10
"""Seconds by which the clocks of two replicas may differ."""
_REQUIRED = ["iss", "aud", "sub", "exp", "iat", "jti", "scope"]


@dataclass(frozen=True, slots=True)
class Claims:
    """What a valid token says."""

    subject: str
    scopes: tuple[str, ...]
    token_id: str


class Tokens:
    """Issues and reads tokens. `keys` are secrets by kid; the first signs, with the first of `algorithms`."""

    def __init__(
        self,
        keys: Mapping[str, str],
        clock: Clock,
        *,
        ttl: int = 3600,
        algorithms: tuple[str, ...] = ("HS256",),
        issuer: str = "thalweg",
        audience: str = "thalweg-api",
    ) -> None:
        self._keys, self._clock, self.ttl = dict(keys), clock, ttl
        self._algorithms, self._issuer, self._audience = algorithms, issuer, audience

    def issue(self, subject: str, scopes: tuple[str, ...]) -> str:
        kid = next(iter(self._keys))
        issued = self._clock() // 1_000_000
        claims = {
            "iss": self._issuer,
            "aud": self._audience,
            "sub": subject,
            "scope": " ".join(scopes),
            "iat": issued,
            "exp": issued + self.ttl,
            "jti": secrets.token_hex(16),
        }
        return jwt.encode(claims, self._keys[kid], self._algorithms[0], headers={"kid": kid})

    def read(self, token: str) -> Claims:
        """Raises Unauthenticated for anything not issued under one of these keys and valid now."""
        try:
            key = self._keys[jwt.get_unverified_header(token)["kid"]]
            claims = jwt.decode(
                token,
                key,
                algorithms=list(self._algorithms),
                issuer=self._issuer,
                audience=self._audience,
                leeway=LEEWAY,
                options={"require": _REQUIRED},
            )
            return Claims(str(claims["sub"]), tuple(str(claims["scope"]).split()), str(claims["jti"]))
        except jwt.ExpiredSignatureError:
            raise Unauthenticated("The token has expired", error="invalid_token") from None
        except (jwt.InvalidTokenError, KeyError, TypeError, ValueError):
            raise Unauthenticated("The token is not valid", error="invalid_token") from None
