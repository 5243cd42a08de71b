"""Who may use the warehouse: an owner who may do everything the engine is allowed, an analyst who may read."""

from __future__ import annotations

import hmac
import os
import time
from dataclasses import dataclass
from enum import Enum


class Role(Enum):
    OWNER = "owner"
    ANALYST = "analyst"


@dataclass(frozen=True)
class Account:
    name: str
    role: Role


class Users:
    """Accounts by name, with their passwords as keyed hashes.

    The passwords come from the environment and live in this process alone, so there is no file to steal and slow
    hashing would only make each request slow (clients send their password with every one). HMAC-SHA-256 under a key
    drawn at start keeps the plain text out of memory and gives values of one length to compare in constant time.
    """

    def __init__(self, accounts: dict[Account, str]) -> None:
        self._key = os.urandom(32)
        self._known = {account.name: (account, self._hash(password)) for account, password in accounts.items()}
        self._nobody = self._hash(os.urandom(32).hex())

    def authenticate(self, name: str, password: str) -> Account | None:
        """The account, or None; an unknown name costs as much time as a wrong password."""
        account, expected = self._known.get(name, (None, self._nobody))
        return account if hmac.compare_digest(self._hash(password), expected) else None

    def _hash(self, password: str) -> bytes:
        return hmac.digest(self._key, password.encode("utf-8", "surrogatepass"), "sha256")


class Throttle:
    """How long a failed login waits: 0.1 s, twice that for each further failure of the same name within a minute,
    at most 3 s. Good logins never wait, so nobody can lock another out."""

    _MEMORY = 60.0
    _NAMES = 1000

    def __init__(self) -> None:
        self._failures: dict[str, tuple[int, float]] = {}

    def failed(self, name: str) -> float:
        now = time.monotonic()
        count, since = self._failures.pop(name, (0, now))
        if now - since > self._MEMORY:
            count = 0
        self._failures[name] = (count + 1, now)
        while len(self._failures) > self._NAMES:
            self._failures.pop(next(iter(self._failures)))
        return min(3.0, 0.1 * 2.0 ** min(count, 10))
