"""Who is connected for longer than a request, so that a change of their account reaches them at once."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager


class Presence:
    """Signals by account. Whoever waits is woken at each change of it."""

    def __init__(self) -> None:
        self._signals: dict[str, set[asyncio.Event]] = {}

    @contextmanager
    def of(self, *accounts: str) -> Iterator[asyncio.Event]:
        """A signal that is set when one of the accounts has changed; clear it to wait for the next."""
        signal = asyncio.Event()
        for account in accounts:
            self._signals.setdefault(account, set()).add(signal)
        try:
            yield signal
        finally:
            for account in set(accounts):
                held = self._signals[account]
                held.discard(signal)
                if not held:
                    del self._signals[account]

    def changed(self, account: str) -> None:
        for signal in self._signals.get(account, ()):
            signal.set()
