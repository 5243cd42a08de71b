"""Signatures of records: that one of our own processes wrote them, and nobody who merely reaches Kafka.

A signature is an HMAC-SHA256 (RFC 2104) over topic, key, value and source, under a key derived from
THALWEG_ACCOUNT_SECRETS (HKDF, RFC 5869). It says nothing of where in the log the record lies: whoever takes a record
must know by its content whether it is an old one that somebody wrote again.
"""

from __future__ import annotations

import hmac
import struct
from collections.abc import Mapping, Set
from dataclasses import dataclass, field

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from pipeline.account_secrets import account_secrets
from pipeline.settings import Environment
from schemas.catalogue import SIGNED
from schemas.exchange import SIGNATURE_HEADER, SOURCE_HEADER

_MAC = 32
_SIZE = struct.Struct(">q")

MISSING, UNKNOWN, WRONG = "signature_missing", "signature_unknown", "signature_wrong"
FAULTS = {
    MISSING: "it is not signed: none of our processes wrote it, or one without THALWEG_ACCOUNT_SECRETS",
    UNKNOWN: "it is signed under a secret that is not among THALWEG_ACCOUNT_SECRETS",
    WRONG: "its signature is not of this record: somebody has made or changed it",
}


@dataclass(frozen=True)
class Signatures:
    """`keys` by the kid of their secret: the first signs, all are believed. Records of `topics` are signed; tests have
    others."""

    keys: Mapping[str, bytes] = field(repr=False)
    topics: Set[str] = SIGNED

    @property
    def kid(self) -> str:
        """Of the secret in force."""
        return next(iter(self.keys))

    @classmethod
    def from_environment(cls, environ: Environment) -> Signatures | None:
        """None where THALWEG_ACCOUNT_SECRETS is not set: nothing is signed or checked. Raises Misconfigured."""
        pairs = account_secrets(environ)
        return cls({kid: _derived(secret) for kid, secret in pairs}) if pairs else None

    def sign(self, topic: str, key: bytes | None, value: bytes | None, headers: Mapping[str, bytes]) -> bytes:
        """What SIGNATURE_HEADER is to hold: the kid, a colon, and the MAC's 32 bytes."""
        return self.kid.encode() + b":" + _mac(self.keys[self.kid], topic, key, value, headers)

    def fault(self, topic: str, key: bytes | None, value: bytes | None, headers: Mapping[str, bytes]) -> str | None:
        """None: one of our processes wrote it. Else MISSING, UNKNOWN or WRONG."""
        held = headers.get(SIGNATURE_HEADER)
        if not held:
            return MISSING
        secret = self.keys.get(kid_of(headers))
        if secret is None:
            return UNKNOWN
        return None if hmac.compare_digest(held[-_MAC:], _mac(secret, topic, key, value, headers)) else WRONG


def kid_of(headers: Mapping[str, bytes]) -> str:
    """Of the secret that a signature is said to be under; empty where there is none."""
    return headers.get(SIGNATURE_HEADER, b"")[: -_MAC - 1].decode("ascii", "replace")


def mac_of(headers: Mapping[str, bytes]) -> bytes:
    """The 32 bytes of a signature that is no fault; whatever stands there of another."""
    return headers.get(SIGNATURE_HEADER, b"")[-_MAC:]


def _mac(secret: bytes, topic: str, key: bytes | None, value: bytes | None, headers: Mapping[str, bytes]) -> bytes:
    """Each part behind its length, so that no two records are the same bytes; -1 is that of none at all."""
    parts: list[bytes] = []
    for part in (topic.encode(), key, value, headers.get(SOURCE_HEADER)):
        parts.append(_SIZE.pack(-1 if part is None else len(part)))
        parts.append(part or b"")
    return hmac.digest(secret, b"".join(parts), "sha256")


def _derived(secret: str) -> bytes:
    # The secret is at least 32 characters of the operator's randomness, so that no salt is needed.
    return HKDF(algorithm=SHA256(), length=_MAC, salt=None, info=b"thalweg accounts sign records").derive(
        secret.encode()
    )
