"""What tests do to topics beside what our own code does: make them, write plainly, delete records."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Callable, Sequence

from confluent_kafka import Producer, TopicPartition
from confluent_kafka.admin import AdminClient, ConfigResource, NewTopic  # type: ignore[attr-defined]

from pipeline.kafka.browse import ends
from pipeline.settings import KafkaSettings

NOBODY = KafkaSettings("127.0.0.1:1")
"""No broker answers there."""


class Topics:
    """Blocking. Names are new at each `make`."""

    def __init__(self, settings: KafkaSettings) -> None:
        self._admin = AdminClient({"bootstrap.servers": settings.bootstrap})
        self._settings = settings

    def make(self, partitions: int = 3, **config: str) -> str:
        name = f"t{uuid.uuid4().hex[:10]}.v1"
        told = {key.replace("_", "."): value for key, value in config.items()}
        self._admin.create_topics([NewTopic(name, partitions, 1, config=told)])[name].result()
        while not self._is_there(name, partitions):
            time.sleep(0.02)
        return name

    def write(self, topic: str, values: Sequence[bytes | None], partition: int = 0, key: bytes = b"k") -> None:
        """Returns when all are durable."""
        producer = Producer({"bootstrap.servers": self._settings.bootstrap, "linger.ms": 1})
        for value in values:
            producer.produce(topic, value=value, key=key, partition=partition)
        assert producer.flush(30) == 0

    def write_in_a_transaction(
        self, topic: str, values: Sequence[bytes], partition: int = 0, key: bytes = b"k", *, aborted: bool = False
    ) -> None:
        """Leaves a marker, which is no record, at the partition's end. No one else may write there meanwhile."""
        before = ends(self._settings, topic)[partition].high
        producer = Producer({"bootstrap.servers": self._settings.bootstrap, "transactional.id": topic})
        producer.init_transactions(30)
        producer.begin_transaction()
        for value in values:
            producer.produce(topic, value=value, key=key, partition=partition)
        producer.flush(30)  # an aborted transaction may else have sent nothing
        if aborted:
            producer.abort_transaction(30)
        else:
            producer.commit_transaction(30)
        while ends(self._settings, topic)[partition].high != before + len(values) + 1:  # markers follow the end
            time.sleep(0.02)

    def delete_before(self, topic: str, offset: int, partition: int = 0) -> None:
        """As retention would."""
        [deleted] = self._admin.delete_records([TopicPartition(topic, partition, offset)]).values()
        deleted.result()

    def compact(self, topic: str, is_done: Callable[[], bool]) -> None:
        """Waits until the broker's cleaner has been there. Writes into partition 0 meanwhile: only what lies behind
        the segment being written is compacted."""
        deadline = time.monotonic() + 120
        while not is_done():
            assert time.monotonic() < deadline, "the broker has not compacted"
            self.write(topic, [b"filler"], key=b"filler")
            time.sleep(0.5)

    def _is_there(self, name: str, partitions: int) -> bool:
        topic = self._admin.list_topics(timeout=10).topics.get(name)
        return topic is not None and len(topic.partitions) == partitions

    def config(self, topic: str) -> dict[str, str]:
        from_broker = ConfigResource(ConfigResource.Type.TOPIC, topic)
        return {
            name: entry.value
            for name, entry in self._admin.describe_configs([from_broker])[from_broker].result().items()
        }


async def until(condition: Callable[[], object], seconds: float = 60) -> None:
    """Lets the loop run until it holds."""
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110  (what is waited for has no event)
            await asyncio.sleep(0.01)
