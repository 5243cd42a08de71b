"""Writing to the log from an event loop: one future a record, resolved with its position once it is durable."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

from confluent_kafka import KafkaError, KafkaException, Message
from confluent_kafka import Producer as Librdkafka

from pipeline.errors import Broken, Failure, LogUnavailable, Overloaded
from pipeline.kafka.connection import connection
from pipeline.kafka.flight import Flight
from pipeline.settings import KafkaSettings
from pipeline.signatures import Signatures
from schemas.exchange import SIGNATURE_HEADER
from schemas.position import Position

log = logging.getLogger(__name__)

# Kafka's own default partitioner for Java is murmur2; librdkafka's is not, so it is named wherever we produce.
PARTITIONER = "murmur2_random"
MAX_RECORD = 8 * 1024 * 1024
"""Bytes of a record with its key and headers, before compression; topics take as much (`schemas.topic`)."""
_FAREWELL = 1.0
Report = Callable[[KafkaError | None, Message], None]


class Producer:
    """An idempotent producer for one event loop.

    Bounded: at most `max_pending` records or `max_bytes` wait for the broker; one more raises Overloaded.
    A record not durable within `timeout` seconds fails with LogUnavailable: it may or may not be in the log. One larger
    than `MAX_RECORD` raises Broken: whoever makes records bounds them. With `signatures`, records of signed topics are
    signed.

    librdkafka's idempotence lasts until it gives a record up: it then takes a new epoch, in which it sends again what
    was under way beside that one, and the broker no longer knows it (librdkafka issue 4953). So where a record must not
    be in the log twice, `keeps_trying` is long: `send` still tells its caller after `timeout` seconds, and the record
    comes into the log when the broker is back.
    """

    def __init__(
        self,
        settings: KafkaSettings,
        client_id: str,
        *,
        timeout: float = 10.0,
        keeps_trying: float | None = None,
        linger_ms: float = 0.0,
        max_pending: int = 100_000,
        max_bytes: int = 256 * 1024 * 1024,
        signatures: Signatures | None = None,
    ) -> None:
        self._signatures = signatures
        self._client = Librdkafka(
            {
                **connection(settings),
                "client.id": client_id,
                "enable.idempotence": True,
                "acks": "all",
                "partitioner": PARTITIONER,
                # Nobody waits for company at low load; under load the requests under way make records wait and gather.
                "linger.ms": linger_ms,
                "socket.nagle.disable": True,
                "compression.type": settings.compression,
                "message.max.bytes": MAX_RECORD,
                "delivery.timeout.ms": int((keeps_trying or timeout) * 1000),
                "queue.buffering.max.messages": max_pending,
                "queue.buffering.max.kbytes": max_bytes // 1024,
            },
            logger=log,
        )
        self._loop = asyncio.get_running_loop()
        self._timeout = None if keeps_trying is None else timeout
        self._done: deque[tuple[asyncio.Future[Position], KafkaError | None, Position]] = deque()
        # Each is written by one thread alone, so that their difference needs no lock.
        self._taken_bytes = self._reported_bytes = 0
        self._closing = False
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._poll, name=f"{client_id}-poll", daemon=True)
        self._thread.start()

    def send(
        self,
        topic: str,
        value: bytes | None,
        *,
        key: bytes | None = None,
        headers: Mapping[str, bytes] | None = None,
        partition: int | None = None,
    ) -> asyncio.Future[Position]:
        """Queues the record; awaiting the future waits for its durability. Who does not await it is told of nothing.
        Raises Overloaded at once, and LogUnavailable once closed."""
        future: asyncio.Future[Position] = self._loop.create_future()

        def delivered(error: KafkaError | None, message: Message) -> None:
            place = cast(str, message.topic()), cast(int, message.partition()), message.offset() or 0
            self._settle(future, error, Position(*place))

        self._produce(topic, value, key, headers, partition, delivered)
        if self._timeout is not None:
            patience = self._loop.call_later(self._timeout, _give_up, future)
            future.add_done_callback(lambda _: patience.cancel())
        return future

    def launch(
        self,
        flight: Flight,
        topic: str,
        value: bytes | None,
        *,
        key: bytes | None = None,
        headers: Mapping[str, bytes] | None = None,
        partition: int | None = None,
    ) -> None:
        """Queues the record as one of a flight. Raises Overloaded at once, and LogUnavailable once closed."""
        delivered = flight.launch()
        try:
            self._produce(topic, value, key, headers, partition, delivered)
        except Failure:
            flight.recall()
            raise

    def launch_all(self, flight: Flight, topic: str, values: Sequence[bytes], *, key: bytes, partition: int) -> None:
        """Queues records of one key and partition, in order, as ones of a flight, at a part of `launch`'s cost: of a
        topic that is not signed.
        Raises as `launch` does; those before the one that was not taken are queued then."""
        self._check_open()
        report = self._reported(flight.launch(len(values)))
        records: list[dict[str, Any]] = [{"value": value, "key": key} for value in values]
        taken = self._client.produce_batch(topic, records, partition, report)
        self._taken_bytes += sum(len(record["value"]) for record in records if "_error" not in record)
        if taken < len(values):
            flight.recall(len(values) - taken)
            raise _failure(next(record["_error"] for record in records if "_error" in record), topic)

    async def close(self, timeout: float = 5.0) -> int:
        """Waits up to `timeout` seconds for what is queued, and gives up the rest: whoever awaits it gets
        LogUnavailable. Returns how many records were given up."""
        self._closing = True
        left: int = await asyncio.to_thread(self._client.flush, timeout)
        if left:
            self._client.purge()
            await asyncio.to_thread(self._client.flush, _FAREWELL)
        self._stopping.set()
        await asyncio.to_thread(self._thread.join)
        self._resolve()
        return left

    @property
    def pending(self) -> int:
        """Records not yet acknowledged by the broker."""
        return len(self._client)

    @property
    def pending_bytes(self) -> int:
        """The size of their values."""
        return self._taken_bytes - self._reported_bytes

    def _produce(
        self,
        topic: str,
        value: bytes | None,
        key: bytes | None,
        headers: Mapping[str, bytes] | None,
        partition: int | None,
        delivered: Report,
    ) -> None:
        self._check_open()
        if self._signatures is not None and topic in self._signatures.topics:
            given = headers or {}
            headers = {**given, SIGNATURE_HEADER: self._signatures.sign(topic, key, value, given)}
        try:
            self._client.produce(
                topic,
                value=value,
                key=key,
                headers=list(headers.items()) if headers else None,
                partition=-1 if partition is None else partition,
                on_delivery=self._reported(delivered),
            )
            self._taken_bytes += len(value or b"")
        except BufferError as error:
            raise _full() from error
        except KafkaException as error:
            raise _failure(error.args[0], topic) from error

    def _check_open(self) -> None:
        if self._closing:
            raise LogUnavailable("the producer is closed: this process is about to end")

    def _reported(self, delivered: Report) -> Report:
        def reported(error: KafkaError | None, message: Message) -> None:
            self._reported_bytes += len(message)
            delivered(error, message)

        return reported

    def _poll(self) -> None:
        while not self._stopping.is_set():
            self._client.poll(0.1)

    def _settle(self, future: asyncio.Future[Position], error: KafkaError | None, position: Position) -> None:
        # One wake-up of the loop serves all deliveries of a poll: waking for each costs more than the delivery.
        self._done.append((future, error, position))
        if len(self._done) == 1 and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._resolve)

    def _resolve(self) -> None:
        while self._done:
            future, error, position = self._done.popleft()
            if future.done():
                continue
            if error is None:
                future.set_result(position)
            else:
                _fail(future, error.str())


def _give_up(future: asyncio.Future[Position]) -> None:
    if not future.done():
        _fail(future, "its time is over")


def _fail(future: asyncio.Future[Position], why: str) -> None:
    future.set_exception(LogUnavailable(f"Kafka did not confirm the record: {why}"))
    future.exception()  # asyncio complains of an error nobody asked for; here that is the sender's choice


def _full() -> Overloaded:
    return Overloaded("the queue to Kafka is full: the broker takes records slower than they come")


def _failure(error: KafkaError, topic: str) -> Failure:
    if error.code() == KafkaError._QUEUE_FULL:  # noqa: SLF001
        return _full()
    if error.code() == KafkaError.MSG_SIZE_TOO_LARGE:
        return Broken(f"a record for {topic} is larger than {MAX_RECORD} bytes")
    return LogUnavailable(f"Kafka does not take the record: {error.str()}")
