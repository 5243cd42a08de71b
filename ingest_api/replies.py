"""The answers that workers send to this process: its own partition of replies.v1, tailed from its start-up."""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Callable, Sequence

from ingest_api.inquiry import Inquiry
from pipeline.clock import Clock
from pipeline.errors import Overloaded
from pipeline.kafka.guard import Guard
from pipeline.kafka.record import Record
from pipeline.kafka.tail import END, Tail
from pipeline.settings import KafkaSettings
from schemas.codec import Codec, Undecodable
from schemas.exchange import REPLIES, Replied

log = logging.getLogger(__name__)

KEEP_MICROSECONDS = 15 * 60 * 1_000_000
Watcher = Callable[[Inquiry, Replied], None]


class Replies:
    """Inquiries by request id, for a quarter of an hour. When they are too many or too large, the answered ones go
    first, the oldest of them before others; when only open ones are left, one more raises Overloaded. With a `guard`
    replies are believed that are genuine."""

    name = "replies"

    def __init__(
        self,
        settings: KafkaSettings,
        ordinal: int,
        codec: Codec,
        clock: Clock,
        guard: Guard | None = None,
        *,
        most: int = 20_000,
        most_bytes: int = 128 * 1024 * 1024,
    ) -> None:
        self.partition = ordinal % REPLIES.partitions
        self._guard = guard
        self._codec, self._clock, self._most, self._most_bytes = codec, clock, most, most_bytes
        self._tail = Tail(settings, f"thalweg-replies-{ordinal}", self.take)
        self._open: OrderedDict[str, Inquiry] = OrderedDict()
        self._answered: OrderedDict[str, Inquiry] = OrderedDict()
        self._bytes = 0
        self._watchers: list[Watcher] = []

    async def start(self) -> None:
        await self._tail.start({(REPLIES.name, self.partition): END})

    async def stop(self) -> None:
        await self._tail.stop()

    def watch(self, watcher: Watcher) -> None:
        """Called in the loop with every reply to an inquiry of this process, before the inquiry learns of it."""
        self._watchers.append(watcher)

    def open(self, inquiry: Inquiry) -> None:
        """From now on replies find it. Raises Overloaded."""
        self._make_room(inquiry.weight)
        self._open[inquiry.request_id] = inquiry
        self._bytes += inquiry.weight

    def discard(self, inquiry: Inquiry) -> None:
        """Nothing of it was sent: no reply will come."""
        if self._open.pop(inquiry.request_id, None) is not None:
            self._bytes -= inquiry.weight

    def find(self, request_id: str) -> Inquiry | None:
        return self._open.get(request_id) or self._answered.get(request_id)

    def take(self, records: Sequence[Record]) -> None:
        """Records of replies.v1, some of them perhaps for another process on the same partition."""
        for record in records:
            if self._guard is not None and not self._guard.is_genuine(record):
                continue
            try:
                reply = self._codec.decode(record.value or b"", Replied)
            except Undecodable as error:
                log.warning("%s is no reply: %s", record.position, error)
                continue
            inquiry = self._open.get(reply.request_id)
            if inquiry is not None:
                self._answer(inquiry, reply)

    def _answer(self, inquiry: Inquiry, reply: Replied) -> None:
        for watcher in self._watchers:
            watcher(inquiry, reply)
        inquiry.take(reply)
        if inquiry.answered.done():
            self._answered[inquiry.request_id] = self._open.pop(inquiry.request_id)

    def _make_room(self, weight: int) -> None:
        old = self._clock() - KEEP_MICROSECONDS
        for held in (self._answered, self._open):
            while held and next(iter(held.values())).asked_at <= old:
                self._drop_oldest(held)
        while len(self._open) + len(self._answered) >= self._most or self._bytes + weight > self._most_bytes:
            if not self._answered:
                raise Overloaded("too many requests wait for their answers", retry_after=2)
            self._drop_oldest(self._answered)

    def _drop_oldest(self, held: OrderedDict[str, Inquiry]) -> None:
        self._bytes -= held.popitem(last=False)[1].weight
