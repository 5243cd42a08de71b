"""An outcome into the log: records sent, refusals dead-lettered, callers answered. The only place that does."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from pipeline.clock import Clock
from pipeline.kafka.flight import Flight
from pipeline.kafka.producer import MAX_RECORD, Producer
from pipeline.outcome import Divert, Drop, Emission, Emit, EmitEach, Outcome, Refuse
from pipeline.received import Raw, ReceivedAlike
from schemas.alike import encode_alike
from schemas.codec import Codec, schema_id_of
from schemas.event import Event
from schemas.exchange import REPLIES, SOURCE_HEADER, Refused, Replied
from schemas.position import Position
from schemas.topic import Topic

log = logging.getLogger(__name__)

MAX_ALOFT = 20_000
MAX_ALOFT_BYTES = 64 * 1024 * 1024
MAX_LETTER = MAX_RECORD - 1024 * 1024
"""Bytes of a refused record that its dead letter can hold beside its own fields."""
MAX_KEY = 1024
"""Bytes of a dead letter's own key; the refused record's whole key stands in its value."""


class Deliver:
    """Launches what an outcome asks for; the flight tells when all of it is durable."""

    def __init__(self, producer: Producer, codec: Codec, clock: Clock) -> None:
        self._producer, self._codec, self._clock = producer, codec, clock
        self.counts: Counter[str] = Counter()
        """Outcomes by name, and `refused:<reason>`, `dropped:<reason>`."""

    def __call__(self, outcome: Outcome, topic: Topic, raw: Raw, flight: Flight) -> None:
        match outcome:
            case Emit(emissions, answer):
                self.counts["emitted"] += 1
                self.emit(emissions, raw.position, raw.key, flight)
                self._reply(raw, flight, answer=answer)
            case Drop(reason, answer):
                self.counts[f"dropped:{reason}"] += 1
                self._reply(raw, flight, answer=answer)
            case Refuse():
                self.counts[f"refused:{outcome.reason}"] += 1
                self._dead_letter(outcome, topic, raw, flight)
                self._reply(raw, flight, refusal=outcome)
            case Divert(elsewhere, reason):
                self.counts[f"diverted:{reason}"] += 1
                headers = dict(raw.headers)
                self._producer.launch(flight, elsewhere.name, raw.value, key=raw.key, headers=headers)

    def each(self, outcome: EmitEach, received: ReceivedAlike[Any], source: Topic, key: bytes, flight: Flight) -> None:
        """What records alike became, in their order."""
        self.counts["emitted"] += len(outcome.results)
        values = encode_alike(self._codec, outcome.results)
        partition = received.partition
        self._producer.launch_all(flight, outcome.topic.name, values, key=key, partition=partition)
        for index, emission in outcome.others:
            self.emit((emission,), Position(source.name, partition, int(received.offsets[index])), key, flight)

    def emit(self, emissions: Sequence[Emission], source: Position, key: bytes | None, flight: Flight) -> None:
        """A record under its cause's key, on a co-partitioned topic, gets its cause's partition, so that order and
        state keep together. One with a key of its own goes where that key belongs, by murmur2: there the next step
        looks for it. A tombstone has no field for its cause, by which readers drop a repetition, so a header says it.
        """
        for emission in emissions:
            value = None if emission.event is None else self._codec.encode(emission.event)
            rekeyed = emission.key is not None and emission.key != key
            self._producer.launch(
                flight,
                emission.topic.name,
                value,
                key=key if emission.key is None else emission.key,
                headers={SOURCE_HEADER: str(source).encode()} if emission.event is None else None,
                partition=source.partition if emission.topic.partitions == 0 and not rekeyed else None,
            )

    async def make_room(self, flight: Flight) -> None:
        """Waits for the broker when too much is under way."""
        if self._producer.pending > MAX_ALOFT or self._producer.pending_bytes > MAX_ALOFT_BYTES:
            await flight.landed()

    def _dead_letter(self, refusal: Refuse, topic: Topic, raw: Raw, flight: Flight) -> None:
        place = raw.position
        detail, kept = refusal.detail[:1000], raw
        log.warning("refused %s: %s: %s", place, refusal.reason, detail)
        if raw.size > MAX_LETTER:
            detail += (
                f"; its {raw.size} bytes are too many for a dead letter: while {place.topic} keeps it, read {place}"
            )
            kept = replace(raw, key=None if raw.key is None else raw.key[:MAX_KEY], value=None, headers={})
        letter = Refused(
            topic=place.topic,
            source_partition=place.partition,
            source_offset=place.offset,
            reason=refusal.reason,
            detail=detail,
            schema_id=schema_id_of(raw.value) if refusal.schema_id is None else refusal.schema_id,
            request_id=raw.request_id,
            refused_at=self._clock(),
            headers=dict(kept.headers),
            key=kept.key,
            value=kept.value,
        )
        key = None if raw.key is None else raw.key[:MAX_KEY]
        self._producer.launch(flight, topic.refused, self._codec.encode(letter), key=key, partition=place.partition)

    def _reply(self, raw: Raw, flight: Flight, *, answer: Event | None = None, refusal: Refuse | None = None) -> None:
        request_id, partition = raw.request_id, raw.reply_partition
        if request_id is None or partition is None or partition >= REPLIES.partitions:
            return
        place = raw.position
        reply = Replied(
            request_id=request_id,
            part=raw.part,
            topic=place.topic,
            source_partition=place.partition,
            source_offset=place.offset,
            reason=None if refusal is None else refusal.reason,
            detail=None if refusal is None else refusal.detail[:1000],
            answer=None if answer is None else self._codec.encode(answer),
        )
        self._producer.launch(
            flight, REPLIES.name, self._codec.encode(reply), key=request_id.encode(), partition=partition
        )
