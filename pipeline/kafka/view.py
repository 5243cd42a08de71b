"""A dict kept by a compacted topic: the last record of every key, read from the log's beginning and then live."""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import groupby
from operator import attrgetter
from typing import Any, Generic, TypeVar

from pipeline import heap
from pipeline.kafka.guard import Guard
from pipeline.kafka.record import Record
from pipeline.kafka.tail import BEGINNING, Tail
from pipeline.settings import KafkaSettings
from schemas.codec import Codec, Undecodable
from schemas.event import Event
from schemas.position import Position
from schemas.topic import Topic

E = TypeVar("E", bound=Event)
log = logging.getLogger(__name__)

GRAVES = 10_000


class Shelf(Generic[E]):
    """`entries` of one topic, by key. An unreadable record is counted in `unreadable` and leaves the entry as it was.

    `order` gives the offset of the record that caused an entry. What is older than what is held of its key is passed
    over, for a crashed writer may repeat itself: so is a tombstone that names its source, and what such a tombstone
    has already covered, as far as the last `GRAVES` deleted keys.

    Of a topic that is not compacted, an entry goes with its record: once the topic's newest is `retention` younger.
    """

    def __init__(self, topic: Topic, record: type[E], codec: Codec, *, order: Callable[[E], int] | None = None) -> None:
        self.topic = topic
        self._record, self._codec, self._order = record, codec, order
        self._entries: dict[str, E] = {}
        self._graves: OrderedDict[str, int] = OrderedDict()
        self._kept = None if topic.compacted else int(topic.retention.total_seconds() * 1000)
        self._times: OrderedDict[str, int] = OrderedDict()
        """The log's milliseconds of what goes with its record, by key; the oldest first."""
        self._changed = asyncio.Event()
        self._watchers: list[Callable[[str, E | None], None]] = []
        self.unreadable = 0

    @property
    def entries(self) -> Mapping[str, E]:
        return self._entries

    def watch(self, watcher: Callable[[str, E | None], None]) -> None:
        """`watcher(key, entry)` is called in the loop at each change; None means the entry is gone."""
        self._watchers.append(watcher)

    async def until(self, condition: Callable[[Mapping[str, E]], bool], timeout: float) -> bool:
        """Waits for the entries to meet the condition; False when they did not in `timeout` seconds."""
        try:
            async with asyncio.timeout(timeout):
                while not condition(self._entries):
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            return False
        return True

    def take(self, records: Iterable[Record]) -> None:
        """Records of the topic, in their order."""
        for record in records:
            self._apply(record)
        self._changed.set()

    def _apply(self, record: Record) -> None:
        key = (record.key or b"").decode("utf-8", "replace")
        if record.value is None:
            self._bury(key, record.source)
            return
        try:
            entry = self._codec.decode(record.value, self._record)
        except Undecodable as error:
            self.unreadable += 1
            log.warning("view: %s is unreadable: %s", record.position, error)
            return
        held = self._entries.get(key)
        if self._order is not None:
            order = self._order(entry)
            if order <= self._graves.get(key, -1) or (held is not None and order < self._order(held)):
                return
        self._graves.pop(key, None)
        self._entries[key] = entry
        self._tell(key, entry)
        if self._kept is not None:
            self._times[key] = record.timestamp
            self._times.move_to_end(key)
            self._forget(record.timestamp - self._kept)

    def _forget(self, before: int) -> None:
        while True:
            key, time = next(iter(self._times.items()))
            if time >= before:
                return
            del self._times[key]
            if self._entries.pop(key, None) is not None:
                self._tell(key, None)

    def _bury(self, key: str, source: Position | None) -> None:
        held = self._entries.get(key)
        if self._order is not None and source is not None:
            if held is not None and source.offset < self._order(held):
                return
            self._graves[key] = max(source.offset, self._graves.pop(key, -1))
            if len(self._graves) > GRAVES:
                self._graves.popitem(last=False)
        if self._entries.pop(key, None) is not None:
            self._tell(key, None)

    def _tell(self, key: str, entry: E | None) -> None:
        for watcher in self._watchers:
            watcher(key, entry)


class View(Shelf[E]):
    """A shelf that follows its topic by itself. `entries` is complete once `ready`."""

    def __init__(
        self,
        settings: KafkaSettings,
        client_id: str,
        topic: Topic,
        record: type[E],
        codec: Codec,
        *,
        order: Callable[[E], int] | None = None,
    ) -> None:
        super().__init__(topic, record, codec, order=order)
        self._tail = Tail(settings, client_id, self.take)

    async def start(self, partitions: int) -> None:
        """Returns when caught up. Raises LogUnavailable."""
        await self._tail.start({(self.topic.name, partition): BEGINNING for partition in range(partitions)})
        await self._tail.caught_up.wait()

    async def stop(self) -> None:
        await self._tail.stop()

    async def reached(self, partition: int, offset: int, timeout: float) -> bool:
        """Waits until all before an offset has been taken; False when it was not in `timeout` seconds."""
        place = self.topic.name, partition
        return await self.until(lambda _: self._tail.positions[place] >= offset, timeout)

    @property
    def ready(self) -> bool:
        return self._tail.caught_up.is_set()


class Shelves:
    """Several shelves that follow their topics together, by one client: topics of entities, of one partition each."""

    def __init__(
        self,
        settings: KafkaSettings,
        client_id: str,
        shelves: Sequence[Shelf[Any]],
        guard: Guard | None = None,
    ) -> None:
        """With a `guard` of its own, what is not genuine is passed over."""
        self._guard = guard
        self._shelves = {shelf.topic.name: shelf for shelf in shelves}
        self._tail = Tail(settings, client_id, self._take)

    async def start(self) -> None:
        """Returns when caught up. Raises LogUnavailable."""
        with heap.filling():
            await self._tail.start({(name, 0): BEGINNING for name in self._shelves})
            await self._tail.caught_up.wait()
            if self._guard is not None:
                self._hand_out(self._guard.caught_up())

    async def stop(self) -> None:
        await self._tail.stop()

    async def reached(self, topic: Topic, offset: int, timeout: float) -> bool:
        """Waits until all of a topic before an offset has been read; False when it was not in `timeout` seconds."""
        place = topic.name, 0
        return await self._shelves[topic.name].until(lambda _: self._tail.positions[place] >= offset, timeout)

    def _take(self, records: Sequence[Record]) -> None:
        for name, run in groupby(records, key=attrgetter("topic")):
            self._shelves[name].take(record for record in run if self._guard is None or self._guard.admits(record))

    def _hand_out(self, records: Sequence[Record]) -> None:
        for name, run in groupby(records, key=attrgetter("topic")):
            self._shelves[name].take(run)
