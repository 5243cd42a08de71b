"""The streams as this process knows them: the compacted clusters.updated.v1, and what its own callers were told."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping

from pipeline.clock import Clock
from pipeline.kafka.view import View
from pipeline.settings import KafkaSettings
from schemas.clustering.clusters import ClustersUpdated
from schemas.clustering.topics import CLUSTERS
from schemas.codec import Codec

WINDOW_MICROSECONDS = 60_000_000
CATCH_UP_SECONDS = 1.0
MAX_TOLD = 10_000
MAX_SAMPLES = 700
"""Of a stream's last minute: workers tell ten times a second."""


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
        self.view.watch(self._seen)
        self._told: dict[str, int] = {}
        self._samples: dict[str, deque[tuple[int, int]]] = {}

    async def start(self) -> None:
        await self.view.start(self._settings.partitions)

    async def stop(self) -> None:
        await self.view.stop()

    @property
    def entries(self) -> Mapping[str, ClustersUpdated]:
        return self.view.entries

    def born(self, stream: str) -> int | None:
        """When its model began; None of a stream that has none."""
        entry = self.view.entries.get(stream)
        return None if entry is None else entry.created_at

    async def read(self, stream: str) -> ClustersUpdated | None:
        """The stream as of the last position a caller of this process was answered about, or later; what there is
        after a second. None for a stream that does not exist."""
        told = self._told.get(stream)
        if told is not None:
            await self._caught_up({stream: told})
        return self.view.entries.get(stream)

    async def read_all(self) -> Mapping[str, ClustersUpdated]:
        """Every stream, each as of the last position a caller of this process was answered about until now, or later;
        what there is after a second."""
        if self._told:
            await self._caught_up(dict(self._told))
        return self.view.entries

    async def gone(self, stream: str) -> bool:
        """Waits until a deletion is seen."""
        return await self.view.until(lambda entries: stream not in entries, CATCH_UP_SECONDS)

    def heed(self, stream: str, offset: int) -> None:
        """A caller is being told of this position: who reads from now on reads at least this."""
        entry = self.view.entries.get(stream)
        if entry is None or entry.source_offset < offset:
            self._told[stream] = max(offset, self._told.get(stream, -1))
        if len(self._told) > MAX_TOLD:
            self._told.pop(next(iter(self._told)))

    def rate(self, stream: str) -> float | None:
        """Points a second over the last minute, or since the model began where that is less. None for a stream of
        which this process has seen too little."""
        samples = self._samples.get(stream)
        if not samples:
            return None
        now = self._clock()
        last = samples[-1]
        first = next((sample for sample in samples if sample[0] >= now - WINDOW_MICROSECONDS), last)
        if first is last:
            return 0.0 if now - last[0] > WINDOW_MICROSECONDS else None
        return (last[1] - first[1]) / max((now - first[0]) / 1_000_000, 1e-6)

    async def _caught_up(self, wanted: dict[str, int]) -> None:
        """Waits until the view holds these offsets, whatever was told since; empties `wanted` of what it does."""

        def held(entries: Mapping[str, ClustersUpdated]) -> bool:
            while wanted:
                stream, offset = next(iter(wanted.items()))
                entry = entries.get(stream)
                if stream in self._told and (entry is None or entry.source_offset < offset):
                    return False
                del wanted[stream]
            return True

        if not await self.view.until(held, CATCH_UP_SECONDS):
            for stream, offset in wanted.items():
                if self._told.get(stream) == offset:
                    del self._told[stream]  # nobody shall wait for it again

    def _seen(self, stream: str, entry: ClustersUpdated | None) -> None:
        if entry is None:
            self._samples.pop(stream, None)
            self._told.pop(stream, None)
            return
        if entry.source_offset >= self._told.get(stream, entry.source_offset):
            self._told.pop(stream, None)
        self._sample(stream, entry)

    def _sample(self, stream: str, entry: ClustersUpdated) -> None:
        samples = self._samples.setdefault(stream, deque(maxlen=MAX_SAMPLES))
        if samples and samples[-1][1] > entry.points:
            samples.clear()  # the model was reset
        oldest = entry.updated_at - WINDOW_MICROSECONDS
        if not samples and oldest <= entry.created_at < entry.updated_at:
            samples.append((entry.created_at, 0))
        samples.append((entry.updated_at, entry.points))
        while samples[0][0] < oldest:
            samples.popleft()
