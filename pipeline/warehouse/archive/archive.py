"""The archive: reads what the group gives it, gathers it by partition, stores it, never holds more than it may.

The table is the offset store. A partition begins behind the greatest offset stored of it, or at the oldest record
kept when there is none; offsets committed to Kafka show lag and are never read. They could not be trusted more than
the table (restored from a backup, or emptied to be filled anew), and where they are ahead of it, behind records that
gave no rows, reading those again changes nothing: a repetition is dropped again, a refusal replaces itself. Rows
that expire are no reason to begin anew, because they outlive the log's own records (`retention.py`).
"""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from threading import Event

from pipeline.errors import LogUnavailable, Misconfigured
from pipeline.kafka.member import Member, Place
from pipeline.kafka.record import Record
from pipeline.settings import KafkaSettings
from pipeline.warehouse.archive.assembler import Target, Targets
from pipeline.warehouse.archive.audit import AUDIT
from pipeline.warehouse.archive.drifts import DRIFTS
from pipeline.warehouse.archive.lane import Lane
from pipeline.warehouse.archive.patience import Patience
from pipeline.warehouse.archive.points import POINTS
from pipeline.warehouse.archive.settings import ArchiveSettings
from pipeline.warehouse.archive.streams import STREAMS
from pipeline.warehouse.connection import Connection
from schemas.codec import Codec

log = logging.getLogger(__name__)

TARGETS: Targets = (POINTS, STREAMS, DRIFTS, AUDIT)
RUN = 200
FLUSH_S = 1.5
REVOKE_S = 5.0
LEAVE_S = 0.2
FIGURES_S = 60.0


class Archive:
    """`run` returns when told to stop, with everything stored that could be within FLUSH_S. Raises Misconfigured,
    Broken: what no waiting mends."""

    def __init__(
        self,
        kafka: KafkaSettings,
        connection: Connection,
        codec: Codec,
        settings: ArchiveSettings,
        targets: Targets = TARGETS,
    ) -> None:
        self._connection, self._codec, self._settings = connection, codec, settings
        self._targets: dict[str, Target] = {target.topic.name: target for target in targets}
        self._lanes: dict[Place, Lane] = {}
        self._paused: set[Place] = set()
        self._gaps: set[tuple[Place, int]] = set()
        self._patience = Patience()
        self._executor = ThreadPoolExecutor(settings.threads, thread_name_prefix="archive")
        self._told_at = time.monotonic()
        self._leaving = False
        self.counts: Counter[str] = Counter()
        """Since the start: rows, blocks, repeated, refused, expired."""
        self._member = Member(
            kafka,
            settings.group,
            list(self._targets),
            assigned=self._assigned,
            revoked=self._revoked,
            instance=settings.instance,
            session_ms=settings.session_ms,
        )

    def run(self, stop: Event, beat: Callable[[bool], None] = lambda ready: None) -> None:
        """`beat` is called at every turn; `ready`: the group has this process, and what it holds is being stored."""
        try:
            while not stop.is_set():
                self._turn()
                beat(self._member.joined and all(lane.running for lane in self._lanes.values()))
            self._flush()
        finally:
            self._leaving = True
            self._member.close()
            self._executor.shutdown(wait=False, cancel_futures=True)
            log.info("stored since the start: %s", self._figures())

    def _turn(self) -> None:
        busy = any(lane.under_way for lane in self._lanes.values())
        for record in self._member.read(0.002 if busy else 0.05, RUN):
            self._take(record)
        for place, offset in self._member.ends.items():
            self._pass(place, offset)
        now = time.monotonic()
        for lane in list(self._lanes.values()):
            lane.advance(self._executor, now)
        self._balance()
        if now - self._told_at > FIGURES_S:
            self._told_at = now
            log.info("stored since the start: %s", self._figures())

    def _take(self, record: Record) -> None:
        place = record.place
        lane = self._lanes.get(place)
        if lane is None or not lane.running:
            return
        gap = record.offset > lane.expected and not lane.target.topic.compacted
        if not gap or self._explained(place, lane, record.offset):
            lane.take(record, time.monotonic())

    def _pass(self, place: Place, end: int) -> None:
        """The partition has been read to its end: what lies before it is no record, the marker of a transaction say."""
        lane = self._lanes.get(place)
        if lane is None or not lane.running or end <= lane.expected:
            return
        if lane.target.topic.compacted or self._explained(place, lane, end):
            lane.skip_to(end)

    def _explained(self, place: Place, lane: Lane, offset: int) -> bool:
        """Whether records that are missing before this offset are missing from the log itself. Seen again when it is
        read again from there, they never were records for a reader of committed ones, or were compacted away."""
        missing = offset - lane.expected
        if self._member.marks(place).low >= offset:
            self.counts["expired"] += missing
            log.error("%s: %d records from %d are gone, the log no longer has them", lane.name, missing, lane.expected)
            return True
        if (place, lane.expected) in self._gaps:
            log.info("%s: the log has no committed records between %d and %d", lane.name, lane.expected, offset)
            return True
        self._gaps.add((place, lane.expected))
        lane.reopen()
        return False

    def _balance(self) -> None:
        """Holds the partitions whose share of the memory is used up, until half of it is free."""
        share = self._settings.memory_mib * 1024 * 1024 // max(1, 2 * len(self._lanes))
        for place, lane in self._lanes.items():
            if not lane.running:
                continue
            if place not in self._paused and (lane.full or lane.size > share):
                self._paused.add(place)
                self._member.pause(place)
            elif place in self._paused and not lane.full and lane.size <= share // 2:
                self._paused.discard(place)
                self._member.resume(place)

    def _flush(self) -> None:
        deadline = time.monotonic() + FLUSH_S
        while (now := time.monotonic()) < deadline:
            for lane in self._lanes.values():
                lane.advance(self._executor, now, hurry=True)
            jobs = [lane.under_way for lane in self._lanes.values() if lane.under_way is not None]
            if not jobs and all(lane.idle for lane in self._lanes.values()):
                return
            wait(jobs, timeout=min(0.05, deadline - now)) if jobs else time.sleep(0.01)
        log.warning("not everything was stored in time; the next archive reads it again")

    def _assigned(self, places: Sequence[Place]) -> None:
        for place in places:
            self._lanes[place] = Lane(
                self._targets[place[0]],
                place[1],
                self._connection,
                self._codec,
                self._settings,
                self._patience,
                self.counts,
                _Tap(self._member, place, self._paused),
            )

    def _revoked(self, places: Sequence[Place]) -> None:
        """What is under way is waited for, so that the next owner finds it in the table; what is gathered it reads
        again. An insert that takes longer than that is the next owner's match in `block.py`."""
        lanes = [self._lanes.pop(place) for place in places if place in self._lanes]
        self._paused.difference_update(places)
        patience = LEAVE_S if self._leaving else REVOKE_S
        wait([lane.under_way for lane in lanes if lane.under_way is not None], timeout=patience)

    def _figures(self) -> str:
        return ", ".join(f"{count:,} {name}" for name, count in self.counts.items()) or "nothing"


class _Tap:
    """See lane.Tap."""

    def __init__(self, member: Member, place: Place, paused: set[Place]) -> None:
        self._member, self._place, self._paused = member, place, paused

    def begin(self, offset: int) -> bool:
        """Raises Misconfigured where the log ends before that: it is not the one the table was filled from."""
        try:
            high = self._member.marks(self._place).high
        except LogUnavailable as error:
            log.warning("%s", error)
            return False
        if offset > high:
            topic, partition = self._place
            raise Misconfigured(
                f"the warehouse has rows of {topic}-{partition} up to offset {offset - 1}, but the log ends at {high}: "
                "the topic was made anew or its end was lost. Delete the rows at and beyond that offset, or set "
                "another database in THALWEG_CLICKHOUSE_URL"
            )
        if not self._member.begin(self._place, offset):
            return False
        self._paused.discard(self._place)
        return True

    def hold(self) -> None:
        self._member.pause(self._place)

    def settled(self, following: int) -> None:
        self._member.settled(self._place, following)
