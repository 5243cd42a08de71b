"""Reading topics on from where the last reader stopped, for one who knows by other means that it is alone.

Where it stopped are the committed offsets of a consumer group that nobody joins: any Kafka monitor shows its lag.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping

from confluent_kafka import Consumer, KafkaException, TopicPartition

from pipeline.errors import LogUnavailable
from pipeline.kafka.member import Place, check
from pipeline.kafka.record import Record, record_of
from pipeline.kafka.tail import watermarks
from pipeline.settings import KafkaSettings

log = logging.getLogger(__name__)


class Follower:
    """For one thread at a time; every method blocks. What is read and not committed is read again by the next one, and
    so is what was committed by one that did not know that it was no longer alone."""

    def __init__(self, settings: KafkaSettings, group: str) -> None:
        self._group = group
        self._read: dict[Place, int] = {}
        self._committed: dict[Place, int] = {}
        self._consumer = Consumer(
            {
                "bootstrap.servers": settings.bootstrap,
                "client.id": group,
                "group.id": group,
                "enable.auto.commit": False,
                "enable.auto.offset.store": False,
                "auto.offset.reset": "earliest",
                "fetch.min.bytes": 1,
                "fetch.error.backoff.ms": 100,
                "queued.max.messages.kbytes": 16 * 1024,
                "allow.auto.create.topics": False,
            },
            logger=log,
        )

    def start(self, places: Iterable[Place]) -> None:
        """Goes on behind what is committed. A partition that nobody has read yet begins at its end: what was in the log
        before is nobody's news. All positions are committed, so that they do not expire. Raises LogUnavailable."""
        asked = [TopicPartition(*place) for place in places]
        try:
            held = self._consumer.committed(asked, timeout=10)
        except KafkaException as error:
            raise LogUnavailable(f"the offsets of group {self._group} are not to be had: {error}") from error
        for place in held:
            self._read[place.topic, place.partition] = self._begin(place)
        self._consumer.assign([TopicPartition(*place, offset) for place, offset in self._read.items()])
        self.commit()

    def read(self, timeout: float, limit: int) -> list[Record]:
        """The next records, at most `limit`, each partition's in order; within about `timeout` seconds what there is.
        Raises Broken, LogUnavailable."""
        first = self._consumer.poll(timeout)
        if first is None:
            return []
        records = []
        for message in (first, *self._consumer.consume(limit - 1, 0)):
            error = message.error()
            if error is None:
                records.append(record_of(message))
            else:
                check(error)
        self._read |= {(record.topic, record.partition): record.offset + 1 for record in records}
        return records

    def commit(self) -> None:
        """Nothing that has been read needs to be read again. Raises LogUnavailable."""
        try:
            offsets = [TopicPartition(*place, offset) for place, offset in self._read.items()]
            self._consumer.commit(offsets=offsets, asynchronous=False)
        except KafkaException as error:
            raise LogUnavailable(f"Kafka does not take the offsets of group {self._group}: {error}") from error
        self._committed = dict(self._read)

    @property
    def committed(self) -> Mapping[Place, int]:
        """The offset with which a reader that starts now would begin, by partition."""
        return self._committed

    def close(self) -> None:
        self._consumer.close()

    def _begin(self, place: TopicPartition) -> int:
        marks = watermarks(self._consumer, place.topic, place.partition)
        wanted = marks.high if place.offset < 0 else place.offset
        if not marks.low <= wanted <= marks.high:
            log.error("%s-%d: the offset %d is not in the log", place.topic, place.partition, wanted)
        return min(max(wanted, marks.low), marks.high)
