"""What became of records of points.observed.v1: dead letters and labels by the place of their cause."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable

from confluent_kafka import Consumer, TopicPartition

from pipeline.kafka.browse import ends
from pipeline.kafka.record import record_of
from pipeline.settings import KafkaSettings
from schemas.clustering.points import PointsClustered
from schemas.clustering.topics import CLUSTERED, OBSERVED
from schemas.codec import Codec
from schemas.exchange import Refused

Place = tuple[int, int]
"""(partition, offset) of points.observed.v1"""
CODEC = Codec()


class Fates:
    """Follows both topics from their ends at the beginning."""

    def __init__(self, kafka: KafkaSettings) -> None:
        self.letters: defaultdict[Place, list[Refused]] = defaultdict(list)
        self.labels: defaultdict[Place, list[PointsClustered]] = defaultdict(list)
        self._consumer = Consumer({"bootstrap.servers": kafka.bootstrap, "group.id": "fates", "fetch.wait.max.ms": 50})
        self._consumer.assign(
            [
                TopicPartition(topic, partition, mark.high)
                for topic in (OBSERVED.refused, CLUSTERED.name)
                for partition, mark in ends(kafka, topic).items()
            ]
        )

    def await_(self, condition: Callable[[], bool], seconds: float = 120) -> None:
        """Reads on until it holds."""
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, "some records had no fate in time"
            for message in self._consumer.consume(1000, 0.05):
                assert message.error() is None, message.error()
                record = record_of(message)
                if record.topic == CLUSTERED.name:
                    used = CODEC.decode(record.value or b"", PointsClustered)
                    self.labels[used.source_partition, used.source_offset].append(used)
                else:
                    letter = CODEC.decode(record.value or b"", Refused)
                    self.letters[letter.source_partition, letter.source_offset].append(letter)

    def known(self, place: Place) -> bool:
        return place in self.letters or place in self.labels

    def close(self) -> None:
        self._consumer.close()
