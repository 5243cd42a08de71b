"""How far a fetch reached, which its records alone do not tell: a partition also has offsets without a record.

Transactions leave markers, aborted ones records that were never written for a reader of committed ones, compaction
leaves holes. aiokafka passes over all of these and moves on; here what it gives says from where to where it has read.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from aiokafka.consumer import fetcher
from aiokafka.consumer.fetcher import FetchResult


class Span(list[Any]):
    """All records of a partition from offset `begins` up to `ends`, which is the next one's. True where it reached
    anything, be it no record."""

    def __init__(self, records: Iterable[Any], begins: int, ends: int) -> None:
        super().__init__(records)
        self.begins, self.ends = begins, ends

    def __bool__(self) -> bool:
        return self.ends > self.begins


class SpanResult(FetchResult):  # type: ignore[misc]
    """In place of aiokafka's `FetchResult`: what a fetch brought of one partition, given in spans."""

    def getall(self, max_records: int | None = None) -> Sequence[Any]:
        held = self._partition_records
        if held is None:
            return []
        begins = held.next_fetch_offset
        records = super().getall(max_records)
        return Span(records, begins, held.next_fetch_offset)


def reach(records: Sequence[Any]) -> tuple[int, int]:
    """From where to where a partition has been read; of records that are no span, and at least one: as far as they
    go."""
    if isinstance(records, Span):
        return records.begins, records.ends
    return int(records[0].offset), int(records[-1].offset) + 1


def install() -> None:
    """Lets every consumer of this process give spans."""
    fetcher.FetchResult = SpanResult
