"""Counting records on their way to the log: one wait for many, cheaper than a future each."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable

from confluent_kafka import KafkaError, Message

from pipeline.errors import LogUnavailable


class Flight:
    """Records launched together. `landed` waits until all are durable, and fails if one cannot be."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._lock = threading.Lock()
        self._aloft = 0
        self._failure: str | None = None
        self._waiter: asyncio.Future[None] | None = None

    def launch(self, records: int = 1) -> Callable[[KafkaError | None, Message], None]:
        """Counts so many more; each one's delivery report goes to what this returns, from any thread."""
        with self._lock:
            self._aloft += records
        return self._report

    def recall(self, records: int = 1) -> None:
        """So many of those launched last were not taken: they are not waited for."""
        self._land(None, records)

    async def landed(self) -> None:
        """Raises LogUnavailable when a record could not be made durable."""
        with self._lock:
            if self._aloft and self._waiter is None:
                self._waiter = self._loop.create_future()
            waiter = self._waiter if self._aloft else None
        if waiter is not None:
            await asyncio.shield(waiter)  # shared: one who gives up waiting must not cancel it for the others
        if self._failure is not None:
            raise LogUnavailable(f"Kafka did not confirm an outbound record: {self._failure}")

    def _report(self, error: KafkaError | None, message: Message) -> None:
        self._land(None if error is None else f"{message.topic()}: {error.str()}")

    def _land(self, failure: str | None, records: int = 1) -> None:
        with self._lock:
            self._aloft -= records
            self._failure = self._failure or failure
            waiter = self._waiter if not self._aloft else None
            if waiter is not None:
                self._waiter = None
        if waiter is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(_resolve, waiter)


def _resolve(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():
        waiter.set_result(None)
