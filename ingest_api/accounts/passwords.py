"""Passwords: Argon2id, off the event loop, and no telling from the time it takes whether a user exists."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from pipeline.accounts import identity
from pipeline.errors import Overloaded

T = TypeVar("T")
MAX_LENGTH = 1024
_HASHER = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1, hash_len=32, salt_len=16)
"""OWASP Password Storage Cheat Sheet: Argon2id, 19 MiB, two passes, one lane."""


class Passwords:
    """Hashes and verifies. At most `threads` at a time and `waiting` in all, so that a flood of logins takes
    neither the memory (19 MiB each) nor the processors from those who are in already."""

    def __init__(self, threads: int = 2, waiting: int = 64) -> None:
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="argon2")
        self._waiting = waiting
        self._asked = 0
        self._decoy = _HASHER.hash("nobody's password")

    async def verify(self, kept: str | None, password: str) -> bool:
        """Whether `password` made the hash `kept`. None stands for a user there is not: as much work, always False.

        Raises Overloaded when too many wait already.
        """
        matches = await self._aside(lambda: _verify(kept or self._decoy, password))
        return matches and kept is not None

    async def hash(self, password: str) -> str:
        """In the PHC string format, of the one form that the password has (`identity.password`). Raises Overloaded."""
        return await self._aside(lambda: _HASHER.hash(identity.password(password)))

    def close(self) -> None:
        """Takes no more work; what runs is finished."""
        self._pool.shutdown(wait=False)

    async def _aside(self, work: Callable[[], T]) -> T:
        if self._asked >= self._waiting:
            raise Overloaded("too many passwords are being checked", retry_after=5)
        self._asked += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool, work)
        finally:
            self._asked -= 1


def _verify(kept: str, password: str) -> bool:
    """Older hashes are of what was typed, as it was: where that is not the one form, both are looked at, whichever
    fits."""
    typed = password[:MAX_LENGTH]
    return any(_fits(kept, form) for form in dict.fromkeys((identity.password(typed), typed)))


def _fits(kept: str, password: str) -> bool:
    try:
        return _HASHER.verify(kept, password)
    except (VerificationError, InvalidHashError):
        return False
