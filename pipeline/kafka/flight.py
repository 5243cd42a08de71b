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

    def launch(self) -> Callable[[KafkaError | None, Message], None]:
        """Counts one more; the delivery report goes to what this returns, from any thread."""
        with self._lock:
            self._aloft += 1
        return self._report

    def recall(self) -> None:
        """The record launched last was not taken: it is not waited for."""
        with self._lock:
            self._aloft -= 1

    async def landed(self) -> None:
        """Raises LogUnavailable when a record could not be made durable."""
        with self._lock:
            if self._aloft and self._waiter is None:
                self._waiter = self._loop.create_future()
            waiter = self._waiter if self._aloft else None
        if waiter is not None:
            await waiter
        if self._failure is not None:
            raise LogUnavailable(f"Kafka did not confirm an outbound record: {self._failure}")

    def _report(self, error: KafkaError | None, message: Message) -> None:
        with self._lock:
            self._aloft -= 1
            if error is not None and self._failure is None:
                self._failure = f"{message.topic()}: {error.str()}"
            waiter = self._waiter if not self._aloft else None
            if waiter is not None:
                self._waiter = None
        if waiter is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(_resolve, waiter)


def _resolve(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():
        waiter.set_result(None)
