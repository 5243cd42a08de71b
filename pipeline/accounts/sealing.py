"""Secrets that must be read again are sealed; those that must only be recognised are kept as keyed hashes.

Passwords are neither: they are guessable, and have a slow hash of their own (`ingest_api/accounts/passwords.py`).
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets as random
from collections.abc import Sequence
from dataclasses import dataclass, field

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from pipeline.account_secrets import account_secrets
from pipeline.settings import Environment


class Unopenable(ValueError):
    """Not sealed with any of the secrets there are."""


@dataclass(frozen=True)
class SealSettings:
    """`secrets` (THALWEG_ACCOUNT_SECRETS): `kid:secret`, commas between, each secret at least 32 characters. The first
    seals and hashes, all open and recognise: to rotate, put a new one first. What was made with one that is dropped is
    lost: API keys are not recognised any more, second factors and webhooks must be set up anew."""

    secrets: tuple[str, ...] = field(repr=False)

    @classmethod
    def from_environment(cls, environ: Environment) -> SealSettings:
        """`secrets` is empty where the variable is not set. Raises Misconfigured, without repeating a secret."""
        return cls(tuple(secret for _, secret in account_secrets(environ)))

    @classmethod
    def passing(cls) -> SealSettings:
        """Random: what is sealed with it ends with this process."""
        return cls((random.token_hex(32),))


class Seals:
    """Raises ValueError without a secret."""

    def __init__(self, settings: SealSettings) -> None:
        if not settings.secrets:
            raise ValueError("there is no secret to seal with")
        self._fernet = MultiFernet([Fernet(base64.urlsafe_b64encode(_derive(it, "seal"))) for it in settings.secrets])
        self._keys = [_derive(secret, "recognise") for secret in settings.secrets]

    def seal(self, text: str) -> str:
        """Encrypted and authenticated (Fernet: AES-128-CBC with HMAC-SHA256)."""
        return self._fernet.encrypt(text.encode()).decode()

    def open(self, sealed: str) -> str:
        """Raises Unopenable."""
        try:
            return self._fernet.decrypt(sealed).decode()
        except InvalidToken:
            raise Unopenable("sealed with a secret that is not among THALWEG_ACCOUNT_SECRETS") from None

    def digest(self, purpose: str, secret: str) -> str:
        """HMAC-SHA256 of a random secret, 64 hexadecimal digits. Digests of two purposes have nothing in common."""
        return _digest(self._keys[0], purpose, secret)

    def digests(self, purpose: str, secret: str) -> Sequence[str]:
        """What the digest may be that is kept: one of each of our secrets, the newest first."""
        return [_digest(key, purpose, secret) for key in self._keys]


def _derive(secret: str, purpose: str) -> bytes:
    # RFC 5869; the secret is at least 32 characters of the operator's randomness, so that no salt is needed.
    return HKDF(algorithm=SHA256(), length=32, salt=None, info=f"thalweg accounts {purpose}".encode()).derive(
        secret.encode()
    )


def _digest(key: bytes, purpose: str, secret: str) -> str:
    return hmac.new(key, f"{purpose}\0{secret}".encode("utf-8", "surrogateescape"), hashlib.sha256).hexdigest()
