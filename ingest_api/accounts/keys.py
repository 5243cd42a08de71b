"""API keys: how they are made, kept and recognised. `python -m ingest_api.accounts.keys NAME SCOPES` makes one.

A key is `ncs_` or `nk_` and 128 random bits in hexadecimal. Only its SHA-256 is kept. A slow, salted hash protects
a guessable secret; there is nothing to guess in 128 random bits, so that a plain digest is as strong and lets a
key be found by it without trying them all. What the time of that search gives away is about the digest, from
which nothing leads back to the key; the final comparison is constant-time all the same.
"""

from __future__ import annotations

import argparse
import hashlib
import hmac
import re
import secrets
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from ingest_api.principal import Principal
from schemas.permissions import permissions_of

_KEY = re.compile(r"(ncs|nk)_[0-9a-f]{32}")
_NAME = re.compile(r"[A-Za-z0-9._-]{1,64}")
_DIGEST = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class ApiKey:
    """A key as settings keep it: `name:scope+scope:sha256hex`."""

    name: str
    scopes: tuple[str, ...]
    digest: str = field(repr=False)

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise ValueError("a key's name has 1 to 64 letters, digits, dots, hyphens or underscores")
        if not _DIGEST.fullmatch(self.digest):
            raise ValueError(f"the key {self.name} needs its SHA-256 in 64 lower-case hexadecimal digits")
        permissions_of(self.scopes)

    @property
    def principal(self) -> Principal:
        return Principal(f"key:{self.name}", self.name, permissions_of(self.scopes))

    def __str__(self) -> str:
        return f"{self.name}:{'+'.join(self.scopes)}:{self.digest}"

    @classmethod
    def parse(cls, text: str) -> ApiKey:
        """Raises ValueError, without repeating the text, which might be a key itself."""
        name, _, rest = text.partition(":")
        scopes, _, digest = rest.rpartition(":")
        if not scopes:
            raise ValueError("a key is given as name:scope+scope:sha256hex")
        return cls(name, tuple(scopes.split("+")), digest)


class Keyring:
    """The keys that open the door."""

    def __init__(self, keys: Iterable[ApiKey]) -> None:
        self._keys: Mapping[str, ApiKey] = {key.digest: key for key in keys}

    def find(self, key: str) -> Principal | None:
        digest = digest_of(key)
        found = self._keys.get(digest)
        if found is None or not hmac.compare_digest(found.digest, digest):
            return None
        return found.principal


def digest_of(key: str) -> str:
    return hashlib.sha256(key.encode("utf-8", "surrogateescape")).hexdigest()


def looks_like_one(text: str) -> bool:
    return _KEY.fullmatch(text) is not None


def make(name: str, scopes: Sequence[str], prefix: str = "ncs") -> tuple[str, ApiKey]:
    """A new key, to be shown once, and the form settings keep it in. Raises ValueError."""
    key = f"{prefix}_{secrets.token_hex(16)}"
    if not looks_like_one(key):
        raise ValueError("a key begins with ncs or nk")
    return key, ApiKey(name, tuple(scopes), digest_of(key))


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m ingest_api.accounts.keys", description="Make an API key.")
    parser.add_argument("name", help="who will use it; shows in logs")
    parser.add_argument("scopes", nargs="+", help="read, write, admin, or single permissions")
    parser.add_argument("--prefix", choices=("ncs", "nk"), default="ncs")
    given = parser.parse_args(arguments)
    try:
        key, kept = make(given.name, given.scopes, given.prefix)
    except ValueError as error:
        parser.error(str(error))
    sys.stdout.write(f"key, shown this once:          {key}\nfor THALWEG_API_KEYS (commas between): {kept}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
