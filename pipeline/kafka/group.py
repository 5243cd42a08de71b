"""Watching a consumer group: whether it has members, and how far behind it is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from confluent_kafka import (
    ConsumerGroupState,
    ConsumerGroupTopicPartitions,
    KafkaException,
    TopicPartition,
)
from confluent_kafka.admin import AdminClient, OffsetSpec  # type: ignore[attr-defined]

from pipeline.errors import LogUnavailable
from pipeline.settings import KafkaSettings


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
    """Blocking; call it from a thread."""

    def __init__(self, settings: KafkaSettings, group: str, topic: str, partitions: int, patience: float = 2.0) -> None:
        self._group, self._topic, self._partitions, self._patience = group, topic, partitions, patience
        self._admin = AdminClient({"bootstrap.servers": settings.bootstrap, "socket.timeout.ms": 5000})

    def standing(self) -> Standing:
        """Raises LogUnavailable."""
        places = [TopicPartition(self._topic, partition) for partition in range(self._partitions)]
        asked = ConsumerGroupTopicPartitions(self._group, places)
        try:
            described = self._admin.describe_consumer_groups([self._group], request_timeout=self._patience)
            offsets = self._admin.list_consumer_group_offsets([asked], request_timeout=self._patience)
            newest = OffsetSpec.latest()  # type: ignore[no-untyped-call]
            latest = self._admin.list_offsets(dict.fromkeys(places, newest), request_timeout=self._patience)
            group = described[self._group].result(self._patience)
            committed = offsets[self._group].result(self._patience).topic_partitions or []
            ends = {place.partition: future.result(self._patience).offset for place, future in latest.items()}
        except (KafkaException, TimeoutError) as error:
            raise LogUnavailable(f"the state of group {self._group} is not to be had: {error}") from error
        return Standing(
            members=len(group.members),
            stable=group.state == ConsumerGroupState.STABLE,
            committed={place.partition: place.offset for place in committed if place.offset >= 0},
            ends=ends,
        )
