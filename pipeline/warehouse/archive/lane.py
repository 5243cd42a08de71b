"""One partition on its way into its table: opened by what the table holds, then a block at a time."""

from __future__ import annotations

import logging
from collections import Counter
from concurrent.futures import Executor, Future
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any, Protocol

from pipeline.errors import Unavailable
from pipeline.kafka.record import Record
from pipeline.warehouse.archive.assembler import Assembler, Target
from pipeline.warehouse.archive.block import Block
from pipeline.warehouse.archive.intake import Intake
from pipeline.warehouse.archive.ledger import Head, Ledger
from pipeline.warehouse.archive.patience import Patience
from pipeline.warehouse.archive.settings import ArchiveSettings
from pipeline.warehouse.connection import Connection
from schemas.codec import Codec

log = logging.getLogger(__name__)


AGAIN_S = 0.25
"""After which a partition that could not begin is begun again."""


class Stage(Enum):
    CLOSED = auto()  # it is not known what the table holds
    OPENED = auto()  # known, but the client has not yet been told where to begin
    RUNNING = auto()


@dataclass(frozen=True, slots=True)
class Opening:
    """What the table holds of the partition."""

    head: Head
    assembler: Assembler


class Tap(Protocol):
    """The partition's end in Kafka's client."""

    def begin(self, offset: int) -> bool:
        """Lets records come from there. False: not yet possible."""

    def hold(self) -> None:
        """Lets none come."""

    def settled(self, following: int) -> None:
        """What is before that offset needs no more doing."""


class Lane:
    """For the archive's one thread; what waits for the warehouse runs in the executor, one job at a time."""

    def __init__(
        self,
        target: Target,
        partition: int,
        connection: Connection,
        codec: Codec,
        settings: ArchiveSettings,
        patience: Patience,
        counts: Counter[str],
        tap: Tap,
    ) -> None:
        self.target, self.partition = target, partition
        self._connection, self._codec, self._settings = connection, codec, settings
        self._patience, self._counts, self._tap = patience, counts, tap
        self._ledger = Ledger(connection, target, partition)
        self._stage = Stage.CLOSED
        self._opening: Future[Opening] | None = None
        self._intake: Intake | None = None
        self._block: Block | None = None
        self._storing: Future[Head] | None = None
        self._next = 0
        self._told = 0
        self._begin_at = 0.0

    @property
    def name(self) -> str:
        return f"{self.target.topic.name}-{self.partition}"

    @property
    def expected(self) -> int:
        """The offset of the next record, unless the log has none there."""
        return self._next

    @property
    def size(self) -> int:
        """Bytes gathered."""
        return 0 if self._intake is None else self._intake.size

    @property
    def full(self) -> bool:
        return self._intake is not None and self._intake.rows >= self._settings.most_rows

    @property
    def running(self) -> bool:
        return self._stage is Stage.RUNNING

    @property
    def idle(self) -> bool:
        """Nothing gathered and nothing under way."""
        return self._block is None and (self._intake is None or self._intake.empty)

    @property
    def under_way(self) -> Future[Any] | None:
        return self._storing or self._opening

    def take(self, record: Record, now: float) -> None:
        """A record the client gave. What comes before the place last begun at is left from before, and dropped."""
        if self._stage is Stage.RUNNING and self._intake is not None and record.offset >= self._next:
            self._intake.add(record, now)
            self._next = record.offset + 1

    def skip_to(self, offset: int) -> None:
        """There are no records before that one."""
        if self._stage is Stage.RUNNING and self._intake is not None and offset > self._next:
            self._intake.through = offset - 1
            self._next = offset

    def reopen(self) -> None:
        """Forgets all that is gathered and asks the table anew."""
        self._tap.hold()
        self._stage, self._intake, self._block = Stage.CLOSED, None, None

    def advance(self, executor: Executor, now: float, *, hurry: bool = False) -> None:
        """Does what is due. With `hurry` rows do not wait for company. Raises what no waiting mends."""
        if self._storing is not None and self._storing.done():
            self._stored(self._storing, now)
        if self._opening is not None and self._opening.done():
            self._opened(self._opening, now)
        if self.under_way is None and self._patience.over(now):
            self._start(executor, now, hurry)

    def _start(self, executor: Executor, now: float, hurry: bool) -> None:
        if self._stage is Stage.CLOSED and not hurry:
            self._opening = executor.submit(self._open)
        elif self._stage is Stage.OPENED:
            self._begin(now)
        elif self._block is not None:
            self._storing = executor.submit(self._ledger.store, self._block, certain=False)
        elif self._intake is not None and self._due(self._intake, now, hurry):
            self._block = self._intake.take()
            self._storing = executor.submit(self._ledger.store, self._block, certain=True)
        elif self._intake is not None and self._intake.empty:
            self._settle(self._intake.through)

    def _begin(self, now: float) -> None:
        if now < self._begin_at:
            return
        if self._tap.begin(self._next):
            self._stage = Stage.RUNNING
        else:
            self._begin_at = now + AGAIN_S

    def _due(self, intake: Intake, now: float, hurry: bool) -> bool:
        if intake.empty:
            return False
        waited = 0.0 if intake.since is None else now - intake.since
        return hurry or intake.rows >= self._settings.block_rows or waited * 1000 >= self._settings.linger_ms

    def _open(self) -> Opening:
        head = self._ledger.head()
        self._ledger.mend(head)
        return Opening(head, self.target.restore(self._connection, self._codec, self.target.topic.name, self.partition))

    def _opened(self, opening: Future[Opening], now: float) -> None:
        self._opening = None
        try:
            found = opening.result()
        except Unavailable as error:
            self._patience.lost(now, error)
            return
        self._patience.found(now)
        self._next = found.head.last + 1
        self._intake = Intake(self.target.topic.name, self.partition, found.assembler, found.head.last, self._counts)
        self._stage = Stage.OPENED
        log.info("%s goes on at offset %d", self.name, self._next)

    def _stored(self, storing: Future[Head], now: float) -> None:
        block, self._storing = self._block, None
        try:
            head = storing.result()
        except Unavailable as error:
            self._patience.lost(now, error)
            return
        self._patience.found(now)
        if block is None:  # reopened meanwhile
            return
        self._block = None
        if head.last == block.last or block.rows is None:
            self._counts["blocks"] += 1
            self._settle(block.through)
        else:
            log.warning(
                "%s: another writer was there first: the table goes to %d, not %d", self.name, head.last, block.last
            )
            self.reopen()

    def _settle(self, through: int) -> None:
        if through + 1 > self._told:
            self._told = through + 1
            self._tap.settled(self._told)
