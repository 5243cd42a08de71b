"""Watching a consumer group: whether it has members, and how far behind it is."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from functools import cached_property

from confluent_kafka import (
    ConsumerGroupState,
    ConsumerGroupTopicPartitions,
    KafkaError,
    KafkaException,
    TopicPartition,
)
from confluent_kafka.admin import (  # type: ignore[attr-defined]
    AdminClient,
    ConsumerGroupDescription,
    OffsetSpec,
)

from pipeline.errors import LogUnavailable
from pipeline.settings import KafkaSettings

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Standing:
    """A group's state now. `committed` and `ends` are offsets by partition of one topic."""

    members: int
    stable: bool
    committed: Mapping[int, int]
    ends: Mapping[int, int]

    @property
    def lag(self) -> int:
        """Records not yet committed; a partition without a commit counts whole."""
        return sum(max(0, end - self.committed.get(partition, 0)) for partition, end in self.ends.items())


class GroupWatch:
    """Blocking; call it from a thread. Connects when it is first asked."""

    def __init__(self, settings: KafkaSettings, group: str, topic: str, partitions: int, patience: float = 2.0) -> None:
        self._bootstrap = settings.bootstrap
        self._group, self._topic, self._partitions, self._patience = group, topic, partitions, patience

    @cached_property
    def _admin(self) -> AdminClient:
        return AdminClient({"bootstrap.servers": self._bootstrap, "socket.timeout.ms": 5000}, logger=log)

    def reach(self) -> None:
        """Returns when a broker answers. Raises LogUnavailable."""
        try:
            self._admin.list_topics(self._topic, timeout=self._patience)
        except KafkaException as error:
            raise LogUnavailable(f"no Kafka broker answers at {self._bootstrap}: {error.args[0].str()}") from error

    def standing(self) -> Standing:
        """Of a group that nobody ever joined: no members. Raises LogUnavailable."""
        places = [TopicPartition(self._topic, partition) for partition in range(self._partitions)]
        asked = ConsumerGroupTopicPartitions(self._group, places)
        try:
            described = self._admin.describe_consumer_groups([self._group], request_timeout=self._patience)
            offsets = self._admin.list_consumer_group_offsets([asked], request_timeout=self._patience)
            newest = OffsetSpec.latest()  # type: ignore[no-untyped-call]
            latest = self._admin.list_offsets(dict.fromkeys(places, newest), request_timeout=self._patience)
            members, stable = self._membership(described[self._group])
            committed = offsets[self._group].result(self._patience).topic_partitions or []
            ends = {place.partition: future.result(self._patience).offset for place, future in latest.items()}
        except (KafkaException, TimeoutError) as error:
            raise LogUnavailable(f"the state of group {self._group} is not to be had: {error}") from error
        return Standing(
            members=members,
            stable=stable,
            committed={place.partition: place.offset for place in committed if place.offset >= 0},
            ends=ends,
        )

    def _membership(self, described: Future[ConsumerGroupDescription]) -> tuple[int, bool]:
        try:
            group = described.result(self._patience)
        except KafkaException as error:
            if error.args[0].code() == KafkaError.GROUP_ID_NOT_FOUND:  # KIP-1043: brokers from 4.0 on say so
                return 0, False
            raise
        return len(group.members), group.state == ConsumerGroupState.STABLE
