"""What has been taken from one partition and not yet been sent: rows, refusals, and how far it reaches."""

from __future__ import annotations

import logging
from collections import Counter
from dataclasses import dataclass, field

from pipeline.kafka.record import Record
from pipeline.warehouse.archive.assembler import Assembler
from pipeline.warehouse.archive.block import NOTHING, Block, Refusal
from schemas.codec import Undecodable

log = logging.getLogger(__name__)

_ROW_COST = 200
"""Bytes a row costs beside its record's: columns being built, and the request's copy of them. Measured, rounded up."""


@dataclass
class Intake:
    """Records go in in order; `take` gives them as a block. `counts` adds up rows, repeated and refused."""

    topic: str
    partition: int
    assembler: Assembler
    previous: int
    counts: Counter[str]
    through: int = NOTHING
    size: int = 0
    since: float | None = None
    _last: int = NOTHING
    _refusals: list[Refusal] = field(default_factory=list)

    @property
    def rows(self) -> int:
        return self.assembler.rows

    @property
    def empty(self) -> bool:
        return not self.rows and not self._refusals

    def add(self, record: Record, now: float) -> None:
        before = self.rows
        try:
            if not self.assembler.add(record):
                self.counts["repeated"] += 1
        except Undecodable as error:
            self._refuse(record, error)
        self.through = record.offset
        if self.rows > before:
            self._last = record.offset
            self.counts["rows"] += self.rows - before
        if not self.empty:
            self.size += len(record.value or b"") + _ROW_COST * (self.rows - before)
            self.since = now if self.since is None else self.since

    def take(self) -> Block:
        """All of it, as the block that follows `previous`; what comes next follows that. Raises nothing."""
        rows = self.assembler.take(self.previous) if self.rows else None
        last = self._last if rows is not None else self.previous
        block = Block(self.topic, self.partition, self.previous, last, self.through, rows, tuple(self._refusals))
        self.previous, self.size, self.since, self._refusals = last, 0, None, []
        return block

    def _refuse(self, record: Record, error: Undecodable) -> None:
        log.warning("%s cannot be stored: %s; it is kept in the table refused", record.position, error)
        self.counts["refused"] += 1
        self._refusals.append(
            Refusal(
                record.offset,
                error.reason,
                error.detail[:1000],
                error.schema_id,
                record.key or b"",
                record.value or b"",
            )
        )
