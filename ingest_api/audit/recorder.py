"""The door's half of the audit: counted for a second, then written to the log. No request waits for it, none fails."""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from functools import partial

from ingest_api.audit.tally import Deed, Tally
from pipeline.clock import Clock
from pipeline.errors import Failure
from pipeline.kafka.producer import Producer
from pipeline.settings import KafkaSettings
from pipeline.warehouse.reader import Reader
from schemas.accounts.topics import AUDITED
from schemas.accounts.traces import ActionAudited
from schemas.codec import Codec
from schemas.position import Position

log = logging.getLogger("thalweg.audit")

EVERY_SECONDS = 1.0
MOST_KNOWN = 2000
MOST_UNKNOWN = 1000
"""Different deeds a second. Strangers have a bound of their own, so that no flood of theirs hides what others did."""
TRYING_SECONDS = 3600.0
MOST_PENDING = 20_000
FLUSH_SECONDS = 3.0
AT_A_TIME = 50
"""Records written before requests have their turn again: some 3 ms."""
_STRANGER = "address:"


class Audit:
    """Takes deeds and writes them to `actions.audited.v1`, a second's alike as one record. What the log does not take
    is counted as overflow in the next record that it does take. `reader` is where the audit is read back."""

    name = "audit"

    def __init__(self, settings: KafkaSettings, ordinal: int, codec: Codec, clock: Clock, reader: Reader) -> None:
        self._settings, self._ordinal, self._codec, self._clock = settings, ordinal, codec, clock
        self.reader = reader
        self._tallies = {"known": Tally(MOST_KNOWN), "unknown": Tally(MOST_UNKNOWN)}
        self._producer: Producer | None = None
        self._stopping = asyncio.Event()
        self._running: asyncio.Task[None] | None = None

    async def start(self) -> None:
        client = f"thalweg-audit-{self._ordinal}"
        self._producer = Producer(self._settings, client, timeout=TRYING_SECONDS, max_pending=MOST_PENDING)
        self._running = asyncio.create_task(self._run(self._producer))

    async def stop(self) -> None:
        if self._producer is None or self._running is None:
            return
        self._stopping.set()
        await self._running
        await self._flush(self._producer)
        left = await self._producer.close(FLUSH_SECONDS)
        if left:
            log.error("%d records of the audit could not be written before the end", left)

    def note(self, deed: Deed, request_id: str | None) -> None:
        """Returns at once, and raises nothing. What is noted once the door is closed is lost."""
        self._tallies["unknown" if deed.actor.startswith(_STRANGER) else "known"].add(deed, self._clock(), request_id)

    async def _run(self, producer: Producer) -> None:
        while not self._stopping.is_set():
            with suppress(TimeoutError):
                async with asyncio.timeout(EVERY_SECONDS):
                    await self._stopping.wait()
            await self._flush(producer)

    async def _flush(self, producer: Producer) -> None:
        for callers, tally in self._tallies.items():
            for number, record in enumerate(tally.take(self._clock(), callers), 1):
                self._write(producer, record, tally)
                if number % AT_A_TIME == 0:
                    await asyncio.sleep(0)

    def _write(self, producer: Producer, record: ActionAudited, tally: Tally) -> None:
        try:
            value = self._codec.encode(record)
            sent = producer.send(AUDITED.name, value, key=record.actor.encode())
        except (Failure, ValueError) as error:
            self._lose(record, tally, error)
            return
        sent.add_done_callback(partial(self._settled, record, tally))

    def _settled(self, record: ActionAudited, tally: Tally, sent: asyncio.Future[Position]) -> None:
        error = None if sent.cancelled() else sent.exception()
        if error is not None:
            self._lose(record, tally, error)

    def _lose(self, record: ActionAudited, tally: Tally, error: BaseException) -> None:
        if not tally:
            log.error("the audit cannot be written and is only counted: %s", error)
        tally.add_beyond(record.verdict, record.count)
