"""The state of every key as a table record: the offset it has applied, then the step's own bytes.

The greatest applied offset wins, whatever order the changelog has them in: a worker that was taken for dead may wake
and write an old snapshot over a newer one.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from typing import Any

from faust.tables.table import Table
from faust.types import EventT

_HEAD = struct.Struct(">q")


def pack(applied: int, body: bytes) -> bytes:
    return _HEAD.pack(applied) + body


def unpack(value: bytes) -> tuple[int, bytes]:
    """(applied offset, body)"""
    return _HEAD.unpack_from(value)[0], value[_HEAD.size :]


def key_of(partition: int, key: str) -> bytes:
    """State belongs to a partition: a key that a foreign partitioner put on two of them has two states, not one mixed
    one. The empty key is the partition's own record: the offset its checkpoint has reached."""
    return b"%d/%s" % (partition, key.encode())


class SnapshotTable(Table[bytes, bytes]):
    """A Faust table whose recovery keeps the greatest applied offset of each key."""

    def apply_changelog_batch(self, batch: Iterable[EventT[Any]]) -> None:
        newest: dict[bytes, tuple[int, EventT[Any]]] = {}
        for event in batch:
            key, value = event.key, event.message.value
            if not isinstance(key, bytes) or not isinstance(value, bytes) or len(value) < _HEAD.size:
                continue
            applied = unpack(value)[0]
            held = newest[key][0] if key in newest else self._held(key)
            if held is None or applied >= held:
                newest[key] = applied, event
        super().apply_changelog_batch([event for _, event in newest.values()])

    def _held(self, key: bytes) -> int | None:
        value = self.data.get(key)
        return None if value is None else unpack(value)[0]
