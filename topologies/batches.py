"""Fetched record batches of which no record is lost to a header whose name is not UTF-8.

Kafka's brokers take any bytes for a header's name. aiokafka decodes names strictly, inside the iteration over a batch:
one such record would end the worker, and every worker after it that is given the partition. Here that batch is read
again by aiokafka's reader in Python, with such a name as `\\xff` would be written; all others by its compiled one.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from aiokafka.consumer import fetcher
from aiokafka.record.default_records import _DefaultRecordBatchPy
from aiokafka.record.memory_records import MemoryRecords, _MemoryRecordsPy


class Batches:
    """In place of aiokafka's `MemoryRecords`: the batches of what a fetch brought of one partition."""

    def __init__(self, fetched: bytes) -> None:
        self._fetched, self._strict = fetched, MemoryRecords(fetched)

    def size_in_bytes(self) -> int:
        return int(self._strict.size_in_bytes())

    def has_next(self) -> bool:
        return bool(self._strict.has_next())

    def next_batch(self) -> Batch | None:
        batch = self._strict.next_batch()
        return None if batch is None else Batch(batch, self._fetched)


class Batch:
    """One batch; all but the iteration is the strict reader's own."""

    def __init__(self, strict: Any, fetched: bytes) -> None:
        self._strict, self._fetched = strict, fetched

    def __getattr__(self, name: str) -> Any:
        return getattr(self._strict, name)

    def __next__(self) -> Any:
        return next(self._strict)

    def __iter__(self) -> Iterator[Any]:
        last = None
        try:
            for last in self._strict:
                yield last
        except UnicodeDecodeError:
            reached = -1 if last is None else last.offset
            yield from (record for record in self._leniently() if record.offset > reached)

    def _leniently(self) -> Any:
        """The same batch once more."""
        batches = _LenientBatches(self._fetched)
        while (batch := batches.next_batch()).base_offset != self._strict.base_offset:
            pass
        return batch


class _LenientBatches(_MemoryRecordsPy):  # type: ignore[misc]
    def next_batch(self) -> Any:
        found = self._next_slice
        super().next_batch()
        return _LenientBatch(found)


class _LenientBatch(_DefaultRecordBatchPy):  # type: ignore[misc]
    _buffer: bytearray

    def _maybe_uncompress(self) -> None:
        super()._maybe_uncompress()
        if not isinstance(self._buffer, _Lenient):
            self._buffer = _Lenient(self._buffer)


class _Lenient(bytearray):
    """Whose slices decode whatever they are."""

    def __getitem__(self, index: Any) -> Any:
        found = super().__getitem__(index)
        return _Lenient(found) if isinstance(index, slice) else found

    def decode(self, encoding: str = "utf-8", errors: str = "backslashreplace") -> str:
        return super().decode(encoding, "backslashreplace")


def install() -> None:
    """Lets every consumer of this process read by these classes."""
    fetcher.MemoryRecords = Batches
