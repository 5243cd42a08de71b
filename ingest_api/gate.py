"""The gate: events into the log, with a receipt for each, and an address for the answer."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from ingest_api.inquiry import Inquiry, new_request_id
from ingest_api.replies import Replies
from pipeline.clock import Clock
from pipeline.errors import LogUnavailable, Overloaded
from pipeline.kafka.producer import Producer
from pipeline.settings import KafkaSettings
from pipeline.signatures import Signatures
from schemas.codec import Codec
from schemas.event import Event
from schemas.exchange import BODY_HEADER, PART_HEADER, REPLY_PARTITION_HEADER, REQUEST_ID_HEADER
from schemas.position import Position
from schemas.topic import Topic

DELIVERY_SECONDS = 10.0
"""After so long a caller is told that the log has not confirmed."""
TRYING_SECONDS = 3600.0
"""So long a record is tried for all the same: giving one up could have others written twice."""
FLUSH_SECONDS = 3.0


class Gate:
    """Produces what routes have validated. Records of one request lie one behind the other in their partition."""

    name = "gate"

    def __init__(
        self,
        settings: KafkaSettings,
        ordinal: int,
        codec: Codec,
        clock: Clock,
        replies: Replies,
        signatures: Signatures | None = None,
    ) -> None:
        self._signatures = signatures
        self._settings, self._ordinal = settings, ordinal
        self._codec, self._clock, self._replies = codec, clock, replies
        self._producer: Producer | None = None

    async def start(self) -> None:
        client = f"thalweg-api-{self._ordinal}"
        self._producer = Producer(
            self._settings,
            client,
            timeout=DELIVERY_SECONDS,
            keeps_trying=TRYING_SECONDS,
            signatures=self._signatures,
        )

    async def stop(self) -> None:
        if self._producer is not None:
            await self._producer.close(FLUSH_SECONDS)

    def send(
        self,
        topic: Topic,
        key: str,
        events: Sequence[Event],
        principal: str,
        context: object,
        weight: int,
        *,
        body: bytes | None = None,
    ) -> Inquiry:
        """Queues the events and opens the inquiry their replies will fill. `body`: the digest of all that is asked for,
        where a retry is to be recognised.

        Raises Overloaded or LogUnavailable when not even the first could be queued. When a later one could not, the
        inquiry shows it and those behind it as not confirmed.
        """
        values = [self._codec.encode(event) for event in events]
        request_id = new_request_id(len(values))
        inquiry = Inquiry(request_id, principal, self._clock(), context, weight, [None] * len(values))
        self._replies.open(inquiry)
        try:
            inquiry.sent = self._queue(topic, key, values, request_id, body)
        except (Overloaded, LogUnavailable):
            self._replies.discard(inquiry)
            raise
        return inquiry

    async def tell(self, topic: Topic, key: str, event: Event) -> Position:
        """Writes what nobody answers; where it lies. Raises Overloaded or LogUnavailable."""
        assert self._producer is not None, "the gate is closed"
        return await self._producer.send(topic.name, self._codec.encode(event), key=key.encode())

    def _queue(
        self, topic: Topic, key: str, values: Sequence[bytes], request_id: str, body: bytes | None
    ) -> list[asyncio.Future[Position]]:
        assert self._producer is not None, "the gate is closed"
        sent: list[asyncio.Future[Position]] = []
        for part, value in enumerate(values):
            headers = {
                REQUEST_ID_HEADER: request_id.encode(),
                REPLY_PARTITION_HEADER: b"%d" % self._replies.partition,
                PART_HEADER: b"%d" % part,
            } | ({} if body is None else {BODY_HEADER: body})
            try:
                sent.append(self._producer.send(topic.name, value, key=key.encode(), headers=headers))
            except (Overloaded, LogUnavailable) as failure:
                if not sent:
                    raise
                sent += [_failed(failure) for _ in values[part:]]
                break
        for future in sent:
            future.add_done_callback(_retrieve)
        return sent


def _failed(failure: Exception) -> asyncio.Future[Position]:
    future: asyncio.Future[Position] = asyncio.get_running_loop().create_future()
    future.set_exception(LogUnavailable(str(failure)))
    return future


def _retrieve(future: asyncio.Future[Position]) -> None:
    """A failure that nobody waits for any more is not worth asyncio's warning; the inquiry shows it."""
    if not future.cancelled():
        future.exception()
