"""Following partitions of the log from chosen offsets, outside any consumer group, into an event loop."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from pipeline.errors import LogUnavailable
from pipeline.kafka.connection import reading
from pipeline.kafka.record import END_OF_PARTITION, Record, end_of, record_of
from pipeline.settings import KafkaSettings

log = logging.getLogger(__name__)

BEGINNING = -2
END = -1
Starts = Mapping[tuple[str, int], int]
"""(topic, partition) -> the offset to begin with, or BEGINNING, or END."""
PATIENCE_S = 10.0
"""How long a broker may take that is asked for offsets."""
OUTDATED = KafkaError._UNKNOWN_PARTITION  # noqa: SLF001  (public, for all its underscore)
"""What a client says of a partition that had no leader when it last asked, as after a broker stood still. It says so
from memory, for up to a quarter of an hour."""
NOT_LED = (KafkaError.NOT_LEADER_FOR_PARTITION, KafkaError.LEADER_NOT_AVAILABLE)


@dataclass(frozen=True, slots=True)
class Watermarks:
    """Offsets of the oldest record kept, and one past the newest."""

    low: int
    high: int


class Tail:
    """Calls `deliver` in the loop with each run of records, in order within a partition.

    The reading thread waits while `deliver`'s last four runs are unhandled, so a slow loop is never flooded.
    `moved` is called in the loop, before anything is read, where retention has removed records that were asked for or
    the topic was made anew: (topic, partition, wanted, got).
    """

    def __init__(
        self,
        settings: KafkaSettings,
        client_id: str,
        deliver: Callable[[Sequence[Record]], None],
        *,
        moved: Callable[[str, int, int, int], None] | None = None,
        run: int = 1000,
    ) -> None:
        self._configuration = reading(settings, f"{client_id}-unused") | {
            "client.id": client_id,
            "enable.partition.eof": True,
            "socket.nagle.disable": True,
            "queued.max.messages.kbytes": 32 * 1024,
        }
        self._opened: Consumer | None = None
        self._deliver, self._moved, self._run = deliver, moved, run
        self._next: dict[tuple[str, int], int] = {}
        self._goal: dict[tuple[str, int], int] = {}
        self._room = threading.Semaphore(4)
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._assigning: asyncio.Future[list[tuple[str, int, int, int]]] | None = None
        self.caught_up = asyncio.Event()
        """Set once every record that was in the log at `start` has been delivered."""

    async def start(self, starts: Starts) -> None:
        """Returns once every start is a settled offset: a record produced after this is delivered.
        Raises LogUnavailable."""
        self._loop = asyncio.get_running_loop()
        self._assigning = asyncio.ensure_future(asyncio.to_thread(self._assign, dict(starts)))
        moves = await asyncio.shield(self._assigning)
        if self._moved is not None:
            for move in moves:
                self._moved(*move)
        self._check_caught_up()
        self._thread = threading.Thread(target=self._read, name="tail", daemon=True)
        self._thread.start()

    async def stop(self) -> None:
        self._stopping.set()
        self._room.release()
        if self._assigning is not None:  # a start that was cancelled leaves a thread in the client
            await asyncio.gather(self._assigning, return_exceptions=True)
        if self._thread is not None:
            await asyncio.to_thread(self._thread.join)
        if self._opened is not None:
            await asyncio.to_thread(self._opened.close)

    @property
    def positions(self) -> Mapping[tuple[str, int], int]:
        """The next offset of each partition, as of what `deliver` has been given."""
        return self._next

    @property
    def _consumer(self) -> Consumer:
        """Connects when first asked for."""
        if self._opened is None:
            self._opened = Consumer(self._configuration, logger=log)
        return self._opened

    def _assign(self, starts: dict[tuple[str, int], int]) -> list[tuple[str, int, int, int]]:
        """Returns the starts that could not be had: (topic, partition, wanted, got)."""
        assignment, moves = [], []
        for (topic, partition), start in starts.items():
            marks = watermarks(self._consumer, topic, partition)
            wanted = {BEGINNING: marks.low, END: marks.high}.get(start, start)
            begin = min(max(wanted, marks.low), marks.high)
            if begin != wanted:
                moves.append((topic, partition, wanted, begin))
            self._next[topic, partition] = begin
            self._goal[topic, partition] = marks.high
            assignment.append(TopicPartition(topic, partition, begin))
        self._consumer.assign(assignment)
        return moves

    def _read(self) -> None:
        while not self._stopping.is_set():
            # poll returns with the first record, where consume would wait for the run to fill
            first = self._consumer.poll(0.2)
            if first is None:
                continue
            records: list[Record] = []
            ends: dict[tuple[str, int], int] = {}
            for message in (first, *self._consumer.consume(self._run - 1, 0)):
                error = message.error()
                if error is None:
                    records.append(record_of(message))
                elif error.code() == END_OF_PARTITION:
                    ends |= [end_of(message)]
                else:
                    log.warning("tail: %s", error.str())
            # The end of a partition is news only to one who waits for it, and where no record told of it.
            if records or (ends and not self.caught_up.is_set()):
                self._room.acquire()
                self._loop.call_soon_threadsafe(self._hand_over, records, ends)

    def _hand_over(self, records: list[Record], ends: Mapping[tuple[str, int], int]) -> None:
        try:
            if self._stopping.is_set():
                return
            for record in records:
                self._next[record.topic, record.partition] = record.offset + 1
            if records:
                self._deliver(records)
            self._pass(ends)
            self._check_caught_up()
        except Exception:
            log.exception("tail: a run could not be delivered")
            raise
        finally:
            self._room.release()

    def _pass(self, ends: Mapping[tuple[str, int], int]) -> None:
        """The last offsets of a partition may hold no record: a transaction's marker, or what compaction took."""
        for place, end in ends.items():
            self._next[place] = max(self._next[place], end)

    def _check_caught_up(self) -> None:
        if not self.caught_up.is_set() and all(self._next[place] >= goal for place, goal in self._goal.items()):
            self.caught_up.set()


def watermarks(consumer: Consumer, topic: str, partition: int) -> Watermarks:
    """Asked of the broker, which lists a topic just made before it leads all its partitions: then asked again. Raises
    LogUnavailable."""
    deadline, refreshed = time.monotonic() + PATIENCE_S, False
    while True:
        left = max(0.1, deadline - time.monotonic())
        try:
            low, high = consumer.get_watermark_offsets(TopicPartition(topic, partition), timeout=left)
            return Watermarks(low, high)
        except (KafkaException, TypeError) as error:
            code = error.args[0].code() if isinstance(error, KafkaException) else None
            outdated = code == OUTDATED and not refreshed
            if not (outdated or code in NOT_LED) or time.monotonic() > deadline:
                raise LogUnavailable(f"the offsets of {topic}-{partition} are not to be had: {error}") from error
            if outdated:
                _refresh(consumer, topic)
                refreshed = True
        time.sleep(0.05)


def _refresh(consumer: Consumer, topic: str) -> None:
    """Lets the client learn anew who leads what. What comes of it is seen by whoever asks next."""
    try:
        consumer.list_topics(topic, timeout=PATIENCE_S)
    except KafkaException as error:
        log.info("who leads %s is not to be had: %s", topic, error.args[0].str())
