"""The gate: events into the log, with a receipt for each, and an address for the answer."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from typing import Any

from ingest_api.inquiry import Inquiry
from ingest_api.replies import Replies
from pipeline.clock import Clock
from pipeline.kafka.producer import Producer
from pipeline.settings import KafkaSettings
from schemas.codec import Codec
from schemas.event import Event
from schemas.exchange import PART_HEADER, REPLY_PARTITION_HEADER, REQUEST_ID_HEADER
from schemas.topic import Topic

DELIVERY_SECONDS = 10.0


class Gate:
    """Produces what routes have validated. Records of one request lie one behind the other in their partition."""

    name = "gate"

    def __init__(self, settings: KafkaSettings, ordinal: int, codec: Codec, clock: Clock, replies: Replies) -> None:
        self._settings, self._ordinal = settings, ordinal
        self._codec, self._clock, self._replies = codec, clock, replies
        self._producer: Producer | None = None

    async def start(self) -> None:
        self._producer = Producer(self._settings, f"thalweg-api-{self._ordinal}", timeout=DELIVERY_SECONDS)

    async def stop(self) -> None:
        if self._producer is not None:
            await self._producer.close()

    def send(
        self, topic: Topic, key: str, events: Sequence[Event], principal: str, context: Any, weight: int
    ) -> Inquiry:
        """Queues the events and opens the inquiry their replies will fill. Raises Overloaded, LogUnavailable."""
        assert self._producer is not None, "the gate is closed"
        inquiry = Inquiry(new_request_id(), principal, self._clock(), context, weight)
        values = [self._codec.encode(event) for event in events]
        inquiry.replies = [None] * len(values)
        self._replies.open(inquiry)
        inquiry.sent = [
            self._producer.send(topic.name, value, key=key.encode(), headers=self._headers(inquiry, part))
            for part, value in enumerate(values)
        ]
        for future in inquiry.sent:
            future.add_done_callback(_retrieve)
        return inquiry

    def _headers(self, inquiry: Inquiry, part: int) -> dict[str, bytes]:
        return {
            REQUEST_ID_HEADER: inquiry.request_id.encode(),
            REPLY_PARTITION_HEADER: b"%d" % self._replies.partition,
            PART_HEADER: b"%d" % part,
        }


def new_request_id() -> str:
    """Unguessable: who knows it may be shown the answer only with the right principal, yet need not know it exists."""
    return f"req_{secrets.token_hex(12)}"


def _retrieve(future: Any) -> None:
    """A failure that nobody waits for any more is not worth asyncio's warning; the inquiry shows it."""
    if not future.cancelled():
        future.exception()
