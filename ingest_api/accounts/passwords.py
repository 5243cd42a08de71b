"""Passwords: Argon2id and the estimate of how guessable they are, off the event loop, and no telling from the time it
takes whether a user exists."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from ingest_api.accounts.policy import check_password
from ingest_api.problems import FieldError
from pipeline.accounts import identity
from pipeline.errors import Overloaded

T = TypeVar("T")
MAX_LENGTH = 1024
_HASHER = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1, hash_len=32, salt_len=16)
"""OWASP Password Storage Cheat Sheet: Argon2id, 19 MiB, two passes, one lane."""


class Passwords:
    """Hashes, verifies and estimates. At most `threads` hashes and one estimate at a time, and `waiting` of each in
    all, so that a flood of logins takes neither the memory (19 MiB each) nor the processors from those who are in
    already."""

    def __init__(self, threads: int = 2, waiting: int = 64) -> None:
        self._hashing = _Queue(threads, waiting, "argon2")
        self._estimating = _Queue(1, waiting, "zxcvbn")  # one: its dictionaries are the module's own, the user's too
        self._decoy = _HASHER.hash("nobody's password")

    async def verify(self, kept: str | None, password: str) -> bool:
        """Whether `password` made the hash `kept`. None stands for a user there is not: as much work, always False.

        Raises Overloaded when too many wait already.
        """
        matches = await self._hashing.run(lambda: _verify(kept or self._decoy, password))
        return matches and kept is not None

    async def hash(self, password: str) -> str:
        """In the PHC string format, of the one form that the password has (`identity.password`). Raises Overloaded."""
        return await self._hashing.run(lambda: _HASHER.hash(identity.password(password)))

    async def check(self, password: str, known: Sequence[str], field: str = "password") -> Sequence[FieldError]:
        """`policy.check_password`, aside. Raises Overloaded."""
        return await self._estimating.run(lambda: check_password(password, known, field))

    def close(self) -> None:
        """Takes no more work; what runs is finished."""
        self._hashing.close()
        self._estimating.close()


class _Queue:
    """Work that threads of its own do, in the order in which it came."""

    def __init__(self, threads: int, waiting: int, name: str) -> None:
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix=name)
        self._waiting = waiting
        self._asked = 0

    async def run(self, work: Callable[[], T]) -> T:
        """Raises Overloaded when too much waits already."""
        if self._asked >= self._waiting:
            raise Overloaded("too many passwords are being checked", retry_after=5)
        self._asked += 1
        loop = asyncio.get_running_loop()
        done = self._pool.submit(work)
        # Counted until the work is done: who stops waiting for it does not make room for more.
        done.add_done_callback(lambda _: _told(loop, self._left))
        return await asyncio.wrap_future(done)

    def close(self) -> None:
        self._pool.shutdown(wait=False)

    def _left(self) -> None:
        self._asked -= 1


def _told(loop: asyncio.AbstractEventLoop, what: Callable[[], None]) -> None:
    with contextlib.suppress(RuntimeError):  # the loop has ended meanwhile
        loop.call_soon_threadsafe(what)


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
