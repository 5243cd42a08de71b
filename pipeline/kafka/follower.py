"""Reading topics on from where the last reader stopped, for one who knows by other means that it is alone.

Where it stopped are the committed offsets of a consumer group that nobody joins: any Kafka monitor shows its lag.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterable, Mapping

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from pipeline.errors import LogUnavailable
from pipeline.kafka.connection import reading
from pipeline.kafka.member import Place, check
from pipeline.kafka.record import END_OF_PARTITION, Record, end_of, record_of
from pipeline.kafka.tail import watermarks
from pipeline.settings import KafkaSettings

log = logging.getLogger(__name__)

PATIENCE_S = 10.0
_SETTLING = (
    KafkaError.NOT_COORDINATOR,
    KafkaError.COORDINATOR_NOT_AVAILABLE,
    KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
)


class Follower:
    """Every method blocks, and one waits for another: a read that nobody waits for any more goes on in its thread, and
    the client must not be closed beneath it. What is read and not committed is read again by the next follower."""

    def __init__(self, settings: KafkaSettings, group: str) -> None:
        self._group = group
        self._lock = threading.Lock()
        self._read: dict[Place, int] = {}
        self._committed: dict[Place, int] = {}
        self._consumer = Consumer(
            reading(settings, group)
            | {"client.id": group, "enable.partition.eof": True, "queued.max.messages.kbytes": 16 * 1024},
            logger=log,
        )

    def start(self, places: Iterable[Place]) -> None:
        """Goes on behind what is committed. A partition that nobody has read yet begins at its end: what was in the log
        before is nobody's news. All positions are committed, so that they do not expire. Raises LogUnavailable."""
        with self._lock:
            for place in self._held([TopicPartition(*place) for place in places]):
                self._read[place.topic, place.partition] = self._begin(place)
            self._consumer.assign([TopicPartition(*place, offset) for place, offset in self._read.items()])
        self.commit()

    def read(self, timeout: float, limit: int) -> list[Record]:
        """The next records, at most `limit`, each partition's in order; within about `timeout` seconds what there is.
        Raises Broken, LogUnavailable."""
        with self._lock:
            first = self._consumer.poll(timeout)
            messages = [] if first is None else [first, *self._consumer.consume(limit - 1, 0)]
        records = []
        for message in messages:
            error = message.error()
            if error is None:
                records.append(record_of(message))
                self._read[records[-1].place] = records[-1].offset + 1
            elif error.code() == END_OF_PARTITION:
                place, offset = end_of(message)
                self._read[place] = max(offset, self._read.get(place, 0))
            else:
                check(error)
        return records

    @property
    def uncommitted(self) -> bool:
        """Whether it has come further than what is committed; also past what is no record, a transaction's marker."""
        return self._read != self._committed

    def commit(self) -> None:
        """Nothing that has been read needs to be read again. Raises LogUnavailable."""
        try:
            offsets = [TopicPartition(*place, offset) for place, offset in self._read.items()]
            with self._lock:
                self._consumer.commit(offsets=offsets, asynchronous=False)
        except KafkaException as error:
            raise LogUnavailable(
                f"Kafka does not take the offsets of group {self._group}: {error.args[0].str()}"
            ) from error
        self._committed = dict(self._read)

    @property
    def committed(self) -> Mapping[Place, int]:
        """The offset with which a reader that starts now would begin, by partition."""
        return self._committed

    def close(self) -> None:
        with self._lock:
            self._consumer.close()

    def _held(self, asked: list[TopicPartition]) -> list[TopicPartition]:
        """What the group has committed. A broker that has only just started does not know yet which of them knows."""
        deadline = time.monotonic() + PATIENCE_S
        while True:
            try:
                return self._consumer.committed(asked, timeout=PATIENCE_S)
            except KafkaException as error:
                if error.args[0].code() not in _SETTLING or time.monotonic() > deadline:
                    raise LogUnavailable(
                        f"the offsets of group {self._group} are not to be had: {error.args[0].str()}"
                    ) from error
            time.sleep(0.1)

    def _begin(self, place: TopicPartition) -> int:
        marks = watermarks(self._consumer, place.topic, place.partition)
        wanted = marks.high if place.offset < 0 else place.offset
        if not marks.low <= wanted <= marks.high:
            log.error("%s-%d: the offset %d is not in the log", place.topic, place.partition, wanted)
        return min(max(wanted, marks.low), marks.high)
