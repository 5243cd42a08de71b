"""A member of a consumer group: partitions come and go, each begins where its owner says, offsets are the owner's."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable, Iterable, Sequence

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from pipeline.errors import Broken, LogUnavailable
from pipeline.kafka.connection import reading
from pipeline.kafka.record import BEYOND_USE, END_OF_PARTITION, Record, end_of, record_of
from pipeline.kafka.tail import Watermarks, watermarks
from pipeline.settings import KafkaSettings

log = logging.getLogger(__name__)

Place = tuple[str, int]
"""(topic, partition)"""


class Member:
    """For one thread. `assigned` and `revoked` are called from within `read` and `close`.

    A partition that is assigned gives nothing until `begin` says where to begin; the group's committed offsets are
    written (`settled`) so that lag can be seen, and never read. With `instance` the membership is static (KIP-345): a
    process that comes back under that name within `session_ms` gets its partitions back without a rebalance.
    """

    def __init__(
        self,
        settings: KafkaSettings,
        group: str,
        topics: Sequence[str],
        *,
        assigned: Callable[[Sequence[Place]], None],
        revoked: Callable[[Sequence[Place]], None],
        instance: str | None = None,
        session_ms: int = 10_000,
    ) -> None:
        self._assigned, self._revoked = assigned, revoked
        self._held: set[Place] = set()
        self.ends: dict[Place, int] = {}
        """Of what the last `read` found to be read to its end, the offset the next record will have."""
        self._consumer = Consumer(
            reading(settings, group)
            | {
                "client.id": instance or f"{group}-{uuid.uuid4().hex[:8]}",
                "session.timeout.ms": session_ms,
                "heartbeat.interval.ms": max(500, session_ms // 5),
                "partition.assignment.strategy": "cooperative-sticky",
                "enable.auto.commit": True,
                "auto.commit.interval.ms": 1000,
                "enable.partition.eof": True,
                "queued.max.messages.kbytes": 32 * 1024,
                "topic.metadata.refresh.interval.ms": 10_000,
            }
            | ({"group.instance.id": instance} if instance else {}),
            logger=log,
        )
        # Asked for watermarks: on the reading client's connection the answer waits behind a fetch, half a second.
        self._asker = Consumer(reading(settings, group), logger=log)
        self._consumer.subscribe(
            list(topics), on_assign=self._on_assign, on_revoke=self._on_revoke, on_lost=self._on_revoke
        )

    def read(self, timeout: float, limit: int) -> list[Record]:
        """The next records, at most `limit`; each partition's in order. Returns within about `timeout` seconds with
        what there is. `ends` then tells which partitions have been read to their end. Raises Broken when the group has
        another process of this name, or the client is beyond use, and LogUnavailable when Kafka does not let this
        process read."""
        self.ends = {}
        first = self._consumer.poll(timeout)
        if first is None:
            return []
        records = []
        for message in (first, *self._consumer.consume(limit - 1, 0)):
            error = message.error()
            if error is None:
                records.append(record_of(message))
            elif error.code() == END_OF_PARTITION:
                self.ends |= [end_of(message)]
            else:
                check(error)
        self.ends = {place: offset for place, offset in self.ends.items() if place in self._held}
        return [record for record in records if record.place in self._held]

    @property
    def joined(self) -> bool:
        """Whether the group's coordinator has ever given this process a member id. Asks the client alone."""
        return bool(self._consumer.memberid())

    def begin(self, place: Place, offset: int) -> bool:
        """Lets the partition give its records from `offset`. False when the client is not ready for it yet."""
        partition = TopicPartition(*place, offset)
        try:
            self._consumer.seek(partition)
            self._consumer.resume([partition])
        except KafkaException as error:
            log.debug("%s-%d cannot begin yet: %s", *place, error.args[0].str())
            return False
        return True

    def pause(self, place: Place) -> None:
        self._consumer.pause([TopicPartition(*place)])

    def resume(self, place: Place) -> None:
        self._consumer.resume([TopicPartition(*place)])

    def settled(self, place: Place, following: int) -> None:
        """Everything before the offset `following` needs no more doing: committed within a second, for all to see."""
        if place in self._held:
            try:
                self._consumer.store_offsets(offsets=[TopicPartition(*place, following)])
            except KafkaException as error:
                log.debug("%s-%d: the offset %d is not noted: %s", *place, following, error.args[0].str())

    def marks(self, place: Place) -> Watermarks:
        """Asked of the broker. Raises LogUnavailable."""
        return watermarks(self._asker, *place)

    def close(self) -> None:
        """Leaves the group (a static member does not) and commits what is settled."""
        self._consumer.close()
        self._asker.close()

    def _on_assign(self, _consumer: Consumer, partitions: list[TopicPartition]) -> None:
        self._consumer.incremental_assign(partitions)
        self._consumer.pause(partitions)
        places = _places(partitions)
        self._held.update(places)
        self._assigned(places)

    def _on_revoke(self, _consumer: Consumer, partitions: list[TopicPartition]) -> None:
        places = _places(partitions)
        self._held.difference_update(places)
        self._revoked(places)
        self._consumer.incremental_unassign(partitions)


def _places(partitions: Iterable[TopicPartition]) -> list[Place]:
    return [(partition.topic, partition.partition) for partition in partitions]


def check(error: KafkaError) -> None:
    """Passes over what a consumer gets over by itself. Raises Broken, LogUnavailable."""
    if error.fatal() or error.code() == BEYOND_USE:  # read from the queue, a fatal error does not say that it is
        raise Broken(f"Kafka's client cannot go on: {error.str()}")
    if error.code() == KafkaError.UNKNOWN_TOPIC_OR_PART:
        log.warning("%s: run `thalweg topics create`", error.str())
    elif error.code() in (KafkaError.TOPIC_AUTHORIZATION_FAILED, KafkaError.GROUP_AUTHORIZATION_FAILED):
        raise LogUnavailable(f"Kafka does not let us read: {error.str()}")
    else:
        log.warning("reading the log: %s", error.str())
