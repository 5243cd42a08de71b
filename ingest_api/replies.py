"""The answers that workers send to this process: its own partition of replies.v1, tailed from its start-up."""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Callable, Sequence

from ingest_api.inquiry import Inquiry
from pipeline.clock import Clock
from pipeline.errors import Overloaded
from pipeline.kafka.record import Record
from pipeline.kafka.tail import END, Tail
from pipeline.settings import KafkaSettings
from schemas.codec import Codec, Undecodable
from schemas.exchange import REPLIES, Replied

log = logging.getLogger(__name__)

KEEP_MICROSECONDS = 15 * 60 * 1_000_000
MAX_INQUIRIES = 20_000
MAX_BYTES = 128 * 1024 * 1024


class Replies:
    """Inquiries by request id: open ones until they are answered, and all for a quarter of an hour, the oldest going
    first when they are too many or too large. One too many open ones raises Overloaded."""

    name = "replies"

    def __init__(self, settings: KafkaSettings, partition: int, codec: Codec, clock: Clock) -> None:
        self.partition = partition % REPLIES.partitions
        self._codec, self._clock = codec, clock
        self._tail = Tail(settings, f"thalweg-replies-{partition}", self._take)
        self._inquiries: OrderedDict[str, Inquiry] = OrderedDict()
        self._bytes = 0
        self._watchers: list[Callable[[Replied], None]] = []

    async def start(self) -> None:
        await self._tail.start({(REPLIES.name, self.partition): END})

    async def stop(self) -> None:
        await self._tail.stop()

    def watch(self, watcher: Callable[[Replied], None]) -> None:
        """Called in the loop with every reply, before its inquiry learns of it."""
        self._watchers.append(watcher)

    def open(self, inquiry: Inquiry) -> None:
        """From now on replies find it. Raises Overloaded."""
        self._make_room(inquiry.weight)
        self._inquiries[inquiry.request_id] = inquiry
        self._bytes += inquiry.weight

    def find(self, request_id: str) -> Inquiry | None:
        return self._inquiries.get(request_id)

    def _make_room(self, weight: int) -> None:
        old = self._clock() - KEEP_MICROSECONDS
        while self._inquiries:
            first = next(iter(self._inquiries.values()))
            full = len(self._inquiries) >= MAX_INQUIRIES or self._bytes + weight > MAX_BYTES
            if full and not first.answered.done() and first.asked_at > old:
                raise Overloaded("too many requests wait for their answers", retry_after=2)
            if not full and first.asked_at > old:
                return
            self._inquiries.popitem(last=False)
            self._bytes -= first.weight

    def _take(self, records: Sequence[Record]) -> None:
        for record in records:
            try:
                reply = self._codec.decode(record.value or b"", Replied)
            except Undecodable as error:
                log.warning("%s is no reply: %s", record.position, error)
                continue
            for watcher in self._watchers:
                watcher(reply)
            inquiry = self._inquiries.get(reply.request_id)
            if inquiry is not None:
                inquiry.take(reply)
