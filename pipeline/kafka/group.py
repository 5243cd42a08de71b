"""How far a consumer group is, seen from outside it.

Asked by an ordinary consumer, and never by the administrative client: librdkafka's requests of that kind to a group's
coordinator end the whole process when the coordinator moves (`list_consumer_group_offsets`: a null pointer where the
broker answers NOT_COORDINATOR) or is lost (`describe_consumer_groups`: an assertion when the request times out). Who
is a member is not asked at all: members say of themselves that they are alive (`schemas.operations`).
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import TypeVar

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from pipeline.errors import LogUnavailable
from pipeline.kafka.connection import reading
from pipeline.kafka.member import Place
from pipeline.kafka.tail import BEGINNING, END
from pipeline.settings import KafkaSettings
from schemas.topic import Topic

A = TypeVar("A")
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Standing:
    """Offsets by partition: what the group has committed, and where the log begins and ends."""

    committed: Mapping[Place, int]
    begins: Mapping[Place, int]
    ends: Mapping[Place, int]

    @property
    def lag(self) -> int:
        """Records not yet committed; a partition without a commit counts whole."""
        return sum(max(0, end - self._reached(place)) for place, end in self.ends.items())

    def _reached(self, place: Place) -> int:
        return max(self.begins.get(place, 0), self.committed.get(place, 0))


class GroupWatch:
    """Blocking; call it from a thread. Connects when it is first asked, and joins no group."""

    def __init__(self, settings: KafkaSettings, group: str, places: Iterable[Place], patience: float = 2.0) -> None:
        self._settings, self._group = settings, group
        self._places, self._patience = tuple(places), patience
        self._asking = threading.Lock()

    @cached_property
    def _consumer(self) -> Consumer:
        return Consumer(reading(self._settings, self._group) | {"socket.timeout.ms": 5000}, logger=log)

    def reach(self) -> None:
        """Returns when a broker answers. Raises LogUnavailable."""
        try:
            self._consumer.list_topics(self._places[0][0], timeout=self._patience)
        except KafkaException as error:
            where, why = self._settings.bootstrap, error.args[0].str()
            raise LogUnavailable(f"no Kafka broker answers at {where}: {why}") from error

    def standing(self) -> Standing:
        """Raises LogUnavailable, also while another thread still waits for an answer: a broker that is away must not
        gather threads."""
        return self._asked(self._standing)

    def end(self) -> int:
        """The offset behind the last record of the first place. Raises LogUnavailable as `standing` does."""
        return self._asked(lambda: self._offsets(END)[self._places[0]])

    def _asked(self, ask: Callable[[], A]) -> A:
        if not self._asking.acquire(blocking=False):
            raise LogUnavailable(f"the offsets of group {self._group} have been asked for and have not come yet")
        try:
            return ask()
        except KafkaException as error:
            raise LogUnavailable(
                f"the offsets of group {self._group} are not to be had: {error.args[0].str()}"
            ) from error
        finally:
            self._asking.release()

    def _standing(self) -> Standing:
        committed = _committed(self._consumer, self._places, self._patience)
        return Standing(committed, self._offsets(BEGINNING), self._offsets(END))

    def _offsets(self, bound: int) -> Mapping[Place, int]:
        """One request a broker, where `get_watermark_offsets` takes one a partition: -2 and -1 are the log's beginning
        and end for the protocol (ListOffsets), as they are for the client."""
        asked = [TopicPartition(*place, bound) for place in self._places]
        return _offsets(self._consumer.offsets_for_times(asked, timeout=self._patience))


def places_of(settings: KafkaSettings, topics: Iterable[Topic]) -> list[Place]:
    """The partitions of topics."""
    return [(topic.name, number) for topic in topics for number in range(topic.partitions or settings.partitions)]


def inherit(
    settings: KafkaSettings, group: str, predecessor: str, places: Sequence[Place], patience: float = 60
) -> int:
    """A group that has committed nothing of `places` goes on where `predecessor` was: its offsets are committed for it,
    by a client that is no member. Kafka takes them only while the group has no members, so that none of its own
    offsets is ever set back. Blocking. The number of partitions that were inherited; raises LogUnavailable."""
    deadline = time.monotonic() + patience
    while places:
        try:
            return _inherit(settings, group, predecessor, places)
        except KafkaException as error:
            if error.args[0].code() in _HAS_MEMBERS:
                return 0  # another worker was here first, and has inherited
            # A broker that has just started is asked again: it does not know yet which groups it coordinates.
            if error.args[0].code() in _REFUSED or time.monotonic() > deadline:
                why = error.args[0].str()
                raise LogUnavailable(f"the offsets of group {group} are not to be had: {why}") from error
            time.sleep(RETRY_SECONDS)
    return 0


RETRY_SECONDS = 0.2
_HAS_MEMBERS = (KafkaError.UNKNOWN_MEMBER_ID, KafkaError.ILLEGAL_GENERATION, KafkaError.REBALANCE_IN_PROGRESS)
_REFUSED = (KafkaError.GROUP_AUTHORIZATION_FAILED, KafkaError.TOPIC_AUTHORIZATION_FAILED)


def _inherit(settings: KafkaSettings, group: str, predecessor: str, places: Sequence[Place]) -> int:
    """Raises KafkaException."""
    with _outsider(settings, group) as ours:
        if _committed(ours, places, 10):
            return 0
        with _outsider(settings, predecessor) as theirs:
            reached = [TopicPartition(*place, offset) for place, offset in _committed(theirs, places, 10).items()]
        if reached:
            _offsets(ours.commit(offsets=reached, asynchronous=False))
        return len(reached)


@contextmanager
def _outsider(settings: KafkaSettings, group: str) -> Iterator[Consumer]:
    """A client that speaks of the group's offsets and is no member."""
    consumer = Consumer(reading(settings, group), logger=log)
    try:
        yield consumer
    finally:
        consumer.close()


def _committed(consumer: Consumer, places: Iterable[Place], patience: float) -> dict[Place, int]:
    """Of the partitions of which the group has committed something. Raises KafkaException."""
    answered = consumer.committed([TopicPartition(*place) for place in places], timeout=patience)
    return {place: offset for place, offset in _offsets(answered).items() if offset >= 0}


def _offsets(answered: Iterable[TopicPartition]) -> dict[Place, int]:
    """Raises KafkaException where a partition has an error instead."""
    found = {}
    for each in answered:
        if each.error is not None:
            raise KafkaException(each.error)
        found[each.topic, each.partition] = each.offset
    return found
