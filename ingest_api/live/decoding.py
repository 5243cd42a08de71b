"""From a record of the log to the messages it gives: the same for the live feed and for a replay."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ingest_api.live.message import Message
from ingest_api.live.repeats import Repeats
from ingest_api.live.watch import Watch
from pipeline.kafka.record import Record
from schemas.codec import Codec, Undecodable

log = logging.getLogger("thalweg.live")


@dataclass(frozen=True, slots=True)
class Told:
    """What one record tells: nothing, where it repeats another or cannot be read."""

    kind: str
    messages: Sequence[Message]


class Decoder:
    """Reads each record once. Records must be given in the order of their partitions."""

    def __init__(self, watches: Sequence[Watch], codec: Codec) -> None:
        self._watches: Mapping[str, Watch] = {watch.topic.name: watch for watch in watches}
        self._codec, self._repeats = codec, Repeats()
        self.unreadable = 0

    @property
    def repeated(self) -> int:
        """Records passed over because they say again what was said."""
        return self._repeats.passed_over

    def read(self, record: Record) -> Told:
        watch = self._watches[record.topic]
        key = (record.topic, record.partition, record.key)
        if record.value is None:
            source = record.source
            if source is None:
                self._repeats.forget(key)
            elif not self._repeats.is_new(key, (source.offset, 0)):
                return Told(watch.kind, ())
            if watch.gone is None or record.key is None:
                return Told(watch.kind, ())
            return Told(watch.kind, watch.gone(record.key.decode("utf-8", "replace"), record.timestamp * 1000))
        try:
            event = self._codec.decode(record.value, watch.record)
            messages = watch.messages(event) if self._repeats.is_new(key, watch.source(event)) else ()
        except Undecodable as error:
            self.unreadable += 1
            log.warning("live: %s is unreadable: %s", record.position, error)
            return Told(watch.kind, ())
        return Told(watch.kind, messages)

    def latest(self, topic: str) -> dict[str, tuple[int, int]]:
        """The greatest source position read of each key of a topic, as far as it is remembered."""
        return {
            (key or b"").decode("utf-8", "replace"): source
            for (of, _, key), source in self._repeats.all().items()
            if of == topic
        }
