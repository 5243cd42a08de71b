"""The one tail of an API process: each record read once, each message encoded once, then published to the hub."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Mapping, Sequence

from ingest_api.live.cursor import Cursors
from ingest_api.live.decoding import Decoder
from ingest_api.live.gap import Range, Reason, gap
from ingest_api.live.hub import Hub
from ingest_api.live.layout import Layout, Mark, Vector
from ingest_api.live.message import Frame
from ingest_api.live.watch import Watch
from pipeline.clock import Clock
from pipeline.kafka.record import Record
from pipeline.kafka.tail import END, Tail
from pipeline.settings import KafkaSettings
from schemas.codec import Codec

_RUN = 200  # records between two looks at the loop: what else waits there waits no longer than these take


class Feed:
    """`vector` is where the feed stands: every message before it has been published, none after it."""

    def __init__(
        self,
        kafka: KafkaSettings,
        client_id: str,
        watches: Sequence[Watch],
        codec: Codec,
        cursors: Cursors,
        hub: Hub,
        clock: Clock,
    ) -> None:
        self._tail = Tail(kafka, client_id, self._take, run=_RUN)
        self._watches: Mapping[str, Watch] = {watch.topic.name: watch for watch in watches}
        self._cursors, self._hub, self._clock = cursors, hub, clock
        self._layout: Layout = cursors.layout
        self._next: list[int] = []
        self._read: deque[Record] = deque()
        self._moved = asyncio.Event()
        self.decoder = Decoder(watches, codec)
        self.records = 0
        """Records read since the start."""

    async def start(self) -> None:
        """Returns once a record produced from now on will be published. Raises LogUnavailable."""
        await self._tail.start(dict.fromkeys(self._layout.places, END))
        self._next = [self._tail.positions[place] for place in self._layout.places]

    async def stop(self) -> None:
        await self._tail.stop()

    @property
    def ready(self) -> bool:
        return bool(self._next)

    @property
    def vector(self) -> Vector:
        return tuple(self._next)

    @property
    def cursor(self) -> str:
        """The cursor of one who has been told everything so far."""
        return self._cursors.write(Mark(self.vector))

    async def reached(self, offsets: Mapping[int, int], timeout: float) -> bool:
        """Waits until the feed stands at or beyond some offsets (place -> next offset)."""
        try:
            async with asyncio.timeout(timeout):
                while any(self._next[place] < offset for place, offset in offsets.items()):
                    self._moved.clear()
                    await self._moved.wait()
        except TimeoutError:
            return False
        return True

    def _take(self, records: Sequence[Record]) -> None:
        """Told in the loop's next turn: what was read while the loop was busy is told together, in one write to each
        subscriber, where one by one it would fall further behind."""
        if not self._read:
            asyncio.get_running_loop().call_soon(self._tell)
        self._read.extend(records)

    def _tell(self) -> None:
        loop = asyncio.get_running_loop()
        count = min(len(self._read), _RUN)
        frames: list[Frame] = []
        try:
            for _ in range(count):
                frames.extend(self._frames(self._read.popleft()))
        finally:
            if self._read:
                loop.call_soon(self._tell)
        self.records += count
        self._hub.publish(frames, loop.time())
        self._moved.set()

    def _frames(self, record: Record) -> list[Frame]:
        place = self._layout.index[record.topic, record.partition]
        if record.offset > self._next[place]:
            self._tell_hole(record, self._next[place])
        self._next[place] = record.offset + 1
        told = self.decoder.read(record)
        if not told.messages:
            return []
        vector, count = self.vector, len(told.messages)
        return [
            Frame(
                self._cursors,
                told.kind,
                message,
                vector=vector,
                place=place,
                offset=record.offset,
                index=index,
                count=count,
            )
            for index, message in enumerate(told.messages)
        ]

    def _tell_hole(self, record: Record, expected: int) -> None:
        watch = self._watches[record.topic]
        reason = Reason.SUPERSEDED if watch.topic.compacted else Reason.MISSING
        hole = Range(record.topic, record.partition, expected, record.offset, record.offset - expected)
        self._hub.announce(watch.kind, gap(reason, [hole], self._clock()))
