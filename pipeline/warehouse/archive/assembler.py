"""How records of a topic become rows: the contract, and what all share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import pyarrow as pa

from pipeline.kafka.record import Record
from pipeline.warehouse.connection import Connection
from schemas.codec import Codec
from schemas.topic import Topic


class Assembler(Protocol):
    """Gathers records of one partition, in order, and makes their rows. One instance a partition and assignment."""

    rows: int
    """Rows gathered since the last `take`."""

    def add(self, record: Record) -> bool:
        """Gathers a record. False when its source record is stored or gathered already. Raises Undecodable."""

    def take(self, previous: int) -> pa.Table:
        """The rows gathered, as a block that follows `previous`; begins anew."""


@dataclass(frozen=True, slots=True)
class Target:
    """Where a topic's records go: their rows into `table`, and of each block stored the `handed` columns (all, when
    empty) into `onward`, whose views keep the rollups. `restore` makes an assembler that knows what the table holds
    of a partition of the topic."""

    topic: Topic
    table: str
    restore: Callable[[Connection, Codec, str, int], Assembler]
    onward: str | None = None
    handed: Sequence[str] = ()


Targets = Sequence[Target]
