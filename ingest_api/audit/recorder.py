"""The door's half of the audit: counted for a second, then written to the log. No request waits for it, none fails."""

from __future__ import annotations

import asyncio
import logging
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
        self._timer: asyncio.TimerHandle | None = None

    async def start(self) -> None:
        client = f"thalweg-audit-{self._ordinal}"
        self._producer = Producer(self._settings, client, timeout=TRYING_SECONDS, max_pending=MOST_PENDING)

    async def stop(self) -> None:
        if self._producer is None:
            return
        self._flush()
        left = await self._producer.close(FLUSH_SECONDS)
        self._producer = None
        if left:
            log.error("%d records of the audit could not be written before the end", left)

    def note(self, deed: Deed, request_id: str | None) -> None:
        """From the loop; returns at once, and raises nothing."""
        self._tallies["unknown" if deed.actor.startswith(_STRANGER) else "known"].add(deed, self._clock(), request_id)
        if self._timer is None and self._producer is not None:
            self._timer = asyncio.get_running_loop().call_later(EVERY_SECONDS, self._flush)

    def _flush(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        now = self._clock()
        for callers, tally in self._tallies.items():
            for record in tally.take(now, callers):
                self._write(record, tally)

    def _write(self, record: ActionAudited, tally: Tally) -> None:
        try:
            assert self._producer is not None, "the audit is closed"
            value = self._codec.encode(record)
            sent = self._producer.send(AUDITED.name, value, key=record.actor.encode())
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
