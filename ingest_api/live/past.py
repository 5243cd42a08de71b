"""Reading a stretch of the log again, off the loop and at the pace of whoever asked."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Executor
from typing import TypeVar

from pipeline.kafka.browse import ends, stretch
from pipeline.kafka.record import Record
from pipeline.kafka.tail import Watermarks
from pipeline.settings import KafkaSettings

T = TypeVar("T")
_BEYOND = 1 << 62  # a start that no partition reaches: it is not read at all


class Past:
    """One topic's records from `starts` (partition -> offset) to before `stops`, in chunks read by `prepare` in a
    thread of `executor`. Nothing is read ahead of the chunk asked for but what Kafka's client buffers."""

    def __init__(
        self,
        executor: Executor,
        kafka: KafkaSettings,
        topic: str,
        starts: Mapping[int, int],
        stops: Mapping[int, int],
    ) -> None:
        self._executor, self._stops = executor, stops
        wanted = {
            partition: starts.get(partition, _BEYOND) if starts.get(partition, _BEYOND) < stop else _BEYOND
            for partition, stop in stops.items()
        }
        self._records: Iterator[Record] = stretch(kafka, topic, wanted)
        self._lock = threading.Lock()

    async def chunk(self, size: int, prepare: Callable[[list[Record]], T]) -> T:
        """Of up to `size` records; of none at the end. Raises LogUnavailable."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._executor, self._chunk, size, prepare)

    def close(self) -> None:
        """Lets go of the broker in a thread of the executor, once a chunk being read is done with."""
        self._executor.submit(self._close)

    def _chunk(self, size: int, prepare: Callable[[list[Record]], T]) -> T:
        with self._lock:
            records: list[Record] = []
            for record in self._records:
                if record.offset < self._stops[record.partition]:
                    records.append(record)
                    if len(records) == size:
                        break
            return prepare(records)

    def _close(self) -> None:
        with self._lock:
            close = getattr(self._records, "close", None)
            if close is not None:
                close()


async def watermarks_of(executor: Executor, kafka: KafkaSettings, topic: str) -> Mapping[int, Watermarks]:
    """Of every partition. Raises LogUnavailable."""
    return await asyncio.get_running_loop().run_in_executor(executor, ends, kafka, topic)
