"""Resuming from a cursor: the past is read from the log again until it meets the feed, then the subscriber listens.

The handover is by position. Short of the feed by a little, the subscriber begins to listen at the feed's vector V;
what is published from then on waits in its backlog while the rest up to V is read. Nothing is lost or comes twice.

What cannot be read again is told as a gap: offsets that retention removed, that lie too far back for one replay, or
that compaction left out. The last are gathered over a chunk of records and told before it: the states missing between
the bounds were superseded by newer ones of the same stream, which stand later in the log.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, aclosing, closing
from dataclasses import dataclass
from weakref import WeakValueDictionary

from ingest_api.grants import Grants, reads
from ingest_api.live.cursor import Cursor, Cursors
from ingest_api.live.decoding import Decoder
from ingest_api.live.feed import Feed
from ingest_api.live.gap import Range, Reason, gap
from ingest_api.live.hub import Hub
from ingest_api.live.layout import Mark, Vector
from ingest_api.live.message import Outgoing
from ingest_api.live.past import Past, watermarks_of
from ingest_api.live.subscriber import Subscriber
from ingest_api.live.subscription import matches
from ingest_api.live.watch import Watch
from pipeline.clock import Clock
from pipeline.errors import LogUnavailable, Overloaded
from pipeline.kafka.record import Record
from pipeline.settings import KafkaSettings
from schemas.codec import Codec

_CHUNK = 200
_NEAR = 500  # records behind the feed at which a subscriber begins to listen
_ROUNDS = 20  # of reading up to where the feed was; a replay slower than the log then leaves the rest to its policy
_PATIENCE = 30.0  # seconds to wait for a turn, or for the feed to reach a cursor another replica gave

Batches = AsyncGenerator[list[Outgoing], None]


@dataclass(frozen=True, slots=True)
class Prepared:
    """What of a record concerns the subscriber: (index, whether the record's last, type, body) of each message."""

    place: int
    offset: int
    bodies: list[tuple[int, bool, str, bytes]]


class Replays:
    """Replays of one process: at most `most` at a time, half of them one owner's, each of at most `limit` records."""

    def __init__(
        self,
        kafka: KafkaSettings,
        watches: Sequence[Watch],
        codec: Codec,
        cursors: Cursors,
        feed: Feed,
        hub: Hub,
        clock: Clock,
        grants: Grants,
        *,
        most: int,
        limit: int,
    ) -> None:
        self.kafka, self.watches, self.codec, self.cursors = kafka, watches, codec, cursors
        self.feed, self.hub, self.clock, self.grants, self.limit = feed, hub, clock, grants, limit
        self.executor = ThreadPoolExecutor(most, thread_name_prefix="replay")
        self._turns, self._each = asyncio.Semaphore(most), max(1, most // 2)
        self._turns_of: WeakValueDictionary[str, asyncio.Semaphore] = WeakValueDictionary()
        self.replayed = 0
        """Messages told from the past."""

    async def run(self, subscriber: Subscriber, cursor: Cursor) -> Batches:
        """What the subscriber missed since the cursor. When it is through, the subscriber listens.

        Raises Overloaded when no turn comes, LogUnavailable."""
        theirs = self._turns_of.setdefault(subscriber.owner, asyncio.Semaphore(self._each))
        async with AsyncExitStack() as held:
            try:
                async with asyncio.timeout(_PATIENCE):
                    await held.enter_async_context(theirs)
                    await held.enter_async_context(self._turns)
            except TimeoutError:
                raise Overloaded("too many subscribers resume at once", 5.0) from None
            async with aclosing(Replay(self, subscriber, cursor).batches()) as batches:
                async for batch in batches:
                    self.replayed += len(batch)
                    yield batch

    def close(self) -> None:
        self.executor.shutdown(wait=False, cancel_futures=True)


class Replay:
    """One subscriber's way from its cursor to the feed."""

    def __init__(self, replays: Replays, subscriber: Subscriber, cursor: Cursor) -> None:
        self._replays, self._subscriber = replays, subscriber
        self._feed, self._layout, self._interests = replays.feed, replays.cursors.layout, subscriber.interests
        kinds = {kind for kind, _ in self._interests}
        self._watches = [watch for watch in replays.watches if watch.kind in kinds]
        self._places = self._layout.of_topics([watch.topic.name for watch in self._watches])
        self._decoder = Decoder(self._watches, replays.codec)
        self._next = self._beginning(cursor)
        self._half_told: tuple[int, int] | None = None
        if cursor.half_told is not None:
            place = self._layout.index[cursor.half_told]
            self._half_told = place, self._next[place]
        self._skip = cursor.skip

    async def batches(self) -> Batches:
        gaps = await self._into_the_log()
        gaps += self._within_the_limit()
        if gaps:
            yield [*gaps, self._progress()]
        for _ in range(_ROUNDS):
            if self._behind() <= _NEAR:
                break
            async with aclosing(self._up_to(self._feed.vector)) as batches:
                async for batch in batches:
                    yield batch
        # A cursor from a replica that is ahead of this feed: what it has told already must not be told again.
        if not await self._feed.reached({place: self._next[place] for place in self._places}, _PATIENCE):
            raise LogUnavailable("the feed does not reach the cursor: this process lags behind the log")
        joined_at = self._feed.vector
        self._replays.hub.listen(self._subscriber)
        async with aclosing(self._up_to(joined_at)) as batches:
            async for batch in batches:
                yield batch

    def _beginning(self, cursor: Cursor) -> list[int]:
        """A topic that was not watched when the cursor was written begins now, a partition added since at its first
        record."""
        known = {topic for topic, _ in cursor.offsets}
        now = self._feed.vector
        return [
            cursor.offsets.get(place, 0) if place[0] in known else now[at]
            for at, place in enumerate(self._layout.places)
        ]

    async def _into_the_log(self) -> list[Outgoing]:
        """Moves positions that the log does not hold (any more) to its oldest record."""
        gaps = []
        for watch in self._watches:
            marks = await watermarks_of(self._replays.executor, self._replays.kafka, watch.topic.name)
            for place in self._layout.of_topics([watch.topic.name]):
                mark, wanted = marks[self._layout.places[place][1]], self._next[place]
                if mark.low <= wanted <= mark.high:
                    continue
                self._next[place] = mark.low
                reason = Reason.RETENTION if wanted < mark.low else Reason.RECREATED
                gaps.append(self._gap(reason, {place: (wanted, mark.low, max(0, mark.low - wanted))}))
        return gaps

    def _within_the_limit(self) -> list[Outgoing]:
        if self._behind() <= self._replays.limit:
            return []
        now, skipped = self._feed.vector, {}
        behind = [place for place in self._places if now[place] > self._next[place]]
        for place in behind:
            begin = max(self._next[place], now[place] - max(1, self._replays.limit // len(behind)))
            if begin > self._next[place]:
                skipped[place] = (self._next[place], begin, begin - self._next[place])
                self._next[place] = begin
        return [self._gap(Reason.REPLAY_LIMIT, skipped)]

    def _behind(self) -> int:
        now = self._feed.vector
        return sum(max(0, now[place] - self._next[place]) for place in self._places)

    async def _up_to(self, stop: Vector) -> Batches:
        for watch in self._watches:
            places = self._layout.of_topics([watch.topic.name])
            if all(self._next[place] >= stop[place] for place in places):
                continue
            partition = {place: self._layout.places[place][1] for place in places}
            starts = {partition[place]: self._next[place] for place in places}
            stops = {partition[place]: stop[place] for place in places}
            with closing(Past(self._replays.executor, self._replays.kafka, watch.topic.name, starts, stops)) as past:
                while prepared := await past.chunk(_CHUNK, self._prepare):
                    yield self._told(watch, prepared)
            trailing = {
                place: (self._next[place], stop[place], stop[place] - self._next[place])
                for place in places
                if self._next[place] < stop[place]
            }
            for place in trailing:
                self._next[place] = stop[place]
            if trailing:
                yield [self._gap(_reason_of_holes(watch), trailing), self._progress()]

    def _prepare(self, records: list[Record]) -> list[Prepared]:
        """In a thread: decodes and encodes."""
        prepared = []
        for record in records:
            told = self._decoder.read(record)
            last = len(told.messages) - 1
            bodies = [
                (index, index == last, message.type, message.body())
                for index, message in enumerate(told.messages)
                if matches(self._interests, told.kind, message.stream)
                and reads(self._replays.grants, self._subscriber.party, message.stream)
            ]
            prepared.append(Prepared(self._layout.index[record.topic, record.partition], record.offset, bodies))
        return prepared

    def _told(self, watch: Watch, prepared: Sequence[Prepared]) -> list[Outgoing]:
        """The messages of a chunk, behind a gap for the records that were missing between them."""
        holes: dict[int, tuple[int, int, int]] = {}
        told: list[Outgoing] = []
        for record in prepared:
            expected = self._next[record.place]
            if record.offset > expected:
                begin, _, missing = holes.get(record.place, (expected, 0, 0))
                holes[record.place] = (begin, record.offset, missing + record.offset - expected)
            told += self._messages(record)
            self._next[record.place] = record.offset + 1
        if holes:
            told.insert(0, self._gap(_reason_of_holes(watch), holes))
        return told if told and told[-1].cursor else [*told, self._progress()]

    def _messages(self, record: Prepared) -> list[Outgoing]:
        skip = self._skip if self._half_told == (record.place, record.offset) else 0
        told = []
        for index, last, kind, body in record.bodies:
            if index < skip:
                continue
            self._next[record.place] = record.offset + last
            mark = Mark(tuple(self._next), record.place, 0 if last else index + 1)
            told.append(Outgoing(kind, body, self._replays.cursors.write(mark)))
        return told

    def _progress(self) -> Outgoing:
        cursor = self._replays.cursors.write(Mark(tuple(self._next)))
        return Outgoing.of("progress", {"cursor": cursor}, self._replays.clock(), cursor=cursor)

    def _gap(self, reason: Reason, holes: Mapping[int, tuple[int, int, int]]) -> Outgoing:
        ranges = [Range(*self._layout.places[place], *hole) for place, hole in sorted(holes.items())]
        return gap(reason, ranges, self._replays.clock())


def _reason_of_holes(watch: Watch) -> Reason:
    return Reason.SUPERSEDED if watch.topic.compacted else Reason.MISSING
