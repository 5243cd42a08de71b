"""The streams as this process knows them: the compacted clusters.updated.v1, and what its own callers were told."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping

from pipeline.clock import Clock
from pipeline.kafka.view import View
from pipeline.settings import KafkaSettings
from schemas.clustering.clusters import ClustersUpdated
from schemas.clustering.points import PointsAnswered
from schemas.clustering.topics import CLUSTERS, OBSERVED
from schemas.codec import Codec
from schemas.exchange import Replied

WINDOW_MICROSECONDS = 60_000_000
CATCH_UP_SECONDS = 1.0
MAX_TOLD = 100_000


class Streams:
    """A view that reads its own writes: a caller that was answered about a position finds at least that position."""

    name = "streams"

    def __init__(self, settings: KafkaSettings, codec: Codec, clock: Clock, ordinal: int) -> None:
        self._settings, self._codec, self._clock = settings, codec, clock
        self.view = View(
            settings,
            f"thalweg-streams-{ordinal}",
            CLUSTERS,
            ClustersUpdated,
            codec,
            order=lambda entry: entry.source_offset,
        )
        self.view.watch(self._sample)
        self._told: dict[str, int] = {}
        self._samples: dict[str, deque[tuple[int, int]]] = {}

    async def start(self) -> None:
        await self.view.start(self._settings.partitions)

    async def stop(self) -> None:
        await self.view.stop()

    @property
    def ready(self) -> bool:
        return self.view.ready

    @property
    def entries(self) -> Mapping[str, ClustersUpdated]:
        return self.view.entries

    async def read(self, stream: str) -> ClustersUpdated | None:
        """The stream as of the last position a caller of this process was answered about, or later; what there is
        after a second. None for a stream that does not exist."""
        told = self._told.get(stream)
        if told is not None:
            await self.view.until(lambda entries: _reached(entries.get(stream), told), CATCH_UP_SECONDS)
            self._told.pop(stream, None)
        return self.view.entries.get(stream)

    async def gone(self, stream: str) -> bool:
        """Waits until a deletion is seen."""
        return await self.view.until(lambda entries: stream not in entries, CATCH_UP_SECONDS)

    def heed(self, reply: Replied) -> None:
        """A caller is being told of this."""
        if reply.topic != OBSERVED.name or reply.answer is None:
            return
        stream = self._codec.decode(reply.answer, PointsAnswered).stream
        if len(self._told) < MAX_TOLD:
            self._told[stream] = max(reply.source_offset, self._told.get(stream, -1))

    def rate(self, stream: str) -> float | None:
        """Points a second over the last minute, None while this process has seen no two figures of the stream."""
        samples = self._samples.get(stream)
        if not samples:
            return None
        now = self._clock()
        last = samples[-1]
        within = [sample for sample in samples if sample[0] >= now - WINDOW_MICROSECONDS]
        first = within[0] if within else last
        if first is last:
            return 0.0 if now - last[0] > WINDOW_MICROSECONDS else None
        return (last[1] - first[1]) / max((now - first[0]) / 1_000_000, 1e-6)

    def _sample(self, stream: str, entry: ClustersUpdated | None) -> None:
        if entry is None:
            self._samples.pop(stream, None)
            self._told.pop(stream, None)
            return
        samples = self._samples.setdefault(stream, deque(maxlen=700))
        if samples and samples[-1][1] > entry.points:
            samples.clear()  # the model was reset
        samples.append((entry.updated_at, entry.points))
        while samples[0][0] < entry.updated_at - WINDOW_MICROSECONDS:
            samples.popleft()


def _reached(entry: ClustersUpdated | None, offset: int) -> bool:
    return entry is not None and entry.source_offset >= offset
