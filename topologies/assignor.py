"""Who gets which partitions: as Faust deals them, also while the broker does not know its topics.

A broker that starts again answers for a moment as if it had no topics, or some of their partitions. Faust's assignor
deals what is listed: a group that joined in that moment got nothing, was stable, and stood still until aiokafka next
asked for the topics, minutes later; and a topic that is listed before its changelog would be read without its state.
"""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import Any

from faust.assignor import PartitionAssignor

from schemas.catalogue import STATEFUL, changelog

DECLARED = {name: topic.partitions for topic in STATEFUL for name in (topic.name, changelog(topic))}


class KnownTopics:
    """The cluster's metadata, as far as assignors ask for it; every topic has at least the partitions declared of it,
    or `partitions` where nothing is."""

    def __init__(self, cluster: Any, partitions: int) -> None:
        self._cluster, self._partitions = cluster, partitions

    def partitions_for_topic(self, topic: str) -> set[int]:
        listed: set[int] = self._cluster.partitions_for_topic(topic) or set()
        return listed | set(range(DECLARED.get(topic) or self._partitions))


class Assignor(PartitionAssignor):
    """Every topic that workers read has the partitions the catalogue says, or else the app's number."""

    def assign(self, cluster: Any, member_metadata: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        known = KnownTopics(cluster, self.app.conf.topic_partitions)
        assigned: MutableMapping[str, Any] = super().assign(known, member_metadata)
        return assigned
