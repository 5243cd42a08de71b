"""In which order a partition's inputs were applied, written to the log before they are.

After a crash the inputs come again, but not in the order in which they came: what was sent on would then be another's
work. So each piece of work, the next records of an input or a point in time, is an entry of a topic that the worker
appends to and awaits before it begins. Whoever takes the partition over first does what the entries behind its
checkpoint say. An entry's offset is what states remember as applied, and the position of what time has caused.

The log is the arbiter between two workers that both think the partition theirs: entries are dense, so one that does
not get the offset behind the last entry known was not the next, and its writer has to read what came between.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from typing import Protocol

from pipeline.errors import Broken
from pipeline.kafka.browse import stretch_of
from pipeline.kafka.producer import Producer
from pipeline.settings import KafkaSettings
from schemas.codec import Codec
from schemas.state import Sequenced
from schemas.topic import Topic

Entry = tuple[int, Sequenced]
"""With its offset."""


class SequenceLog(Protocol):
    async def read(self, partition: int, start: int) -> tuple[Sequence[Entry], int]:
        """The entries from `start` on, and the offset that the next one gets. Raises LogUnavailable."""

    async def append(self, partition: int, entry: Sequenced) -> int:
        """Its offset, once it is durable. Raises LogUnavailable."""


class KafkaSequence:
    """A topic of entries (`SequenceLog`)."""

    def __init__(self, settings: KafkaSettings, producer: Callable[[], Producer], codec: Codec, topic: Topic) -> None:
        self._settings, self._producer, self._codec, self._topic = settings, producer, codec, topic.name

    async def read(self, partition: int, start: int) -> tuple[Sequence[Entry], int]:
        records, end = await asyncio.to_thread(stretch_of, self._settings, self._topic, partition, start)
        decoded = [(record.offset, self._codec.decode(record.value or b"", Sequenced)) for record in records]
        return decoded, end

    async def append(self, partition: int, entry: Sequenced) -> int:
        position = await self._producer().send(self._topic, self._codec.encode(entry), partition=partition)
        return position.offset


class Order:
    """A partition's entries: first those that others have written, in `ahead`, then those that are appended."""

    def __init__(self, log: SequenceLog, partition: int, ahead: Sequence[Entry], end: int) -> None:
        self._log, self._partition, self._end = log, partition, end
        self.ahead = deque(ahead)

    @classmethod
    async def read(cls, log: SequenceLog, partition: int, start: int) -> Order:
        """Raises LogUnavailable."""
        return cls(log, partition, *await log.read(partition, start))

    async def append(self, entry: Sequenced) -> int:
        """Its offset: it is the next. Raises Broken where it is not, since another worker has written; and
        LogUnavailable."""
        offset = await self._log.append(self._partition, entry)
        if offset != self._end:
            raise Broken(
                f"partition {self._partition}: another worker has written to the order of the inputs: the entry has "
                f"offset {offset} where {self._end} is due"
            )
        self._end = offset + 1
        return offset
