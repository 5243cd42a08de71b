"""The state of every key as a table record: the offset it has applied, then the step's own bytes.

The greatest applied offset wins, whatever order the changelog has them in: a worker that was taken for dead may wake
and write an old snapshot over a newer one.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, cast

from faust.tables.table import Table
from faust.types import EventT

_HEAD = struct.Struct(">q")


def pack(applied: int, body: bytes) -> bytes:
    return _HEAD.pack(applied) + body


def unpack(value: bytes) -> tuple[int, bytes]:
    """(applied offset, body)"""
    return applied_of(value), value[_HEAD.size :]


def key_of(partition: int, key: str) -> bytes:
    """State belongs to a partition: a key that a foreign partitioner put on two of them has two states, not one mixed
    one. The empty key is the partition's own record: the offset its checkpoint has reached."""
    return b"%d/%s" % (partition, key.encode())


def applied_of(value: bytes) -> int:
    return int(_HEAD.unpack_from(value)[0])


@dataclass(frozen=True, slots=True)
class _Change:
    """As much of a changelog event as Faust's store looks at."""

    key: bytes
    value: bytes
    partition: int

    @property
    def message(self) -> _Change:
        return self


class SnapshotTable(Table[bytes, bytes]):
    """A Faust table that is recovered by runs of its changelog's records (`runs.RunConsumer`), and keeps the greatest
    applied offset of each key."""

    def apply_changelog_batch(self, batch: Iterable[EventT[Any]]) -> None:
        newest: dict[bytes, _Change] = {}
        for event in batch:
            for record in cast("Sequence[Any]", event.message.value):
                key, value = record.key, record.value
                if not isinstance(key, bytes) or not isinstance(value, bytes) or len(value) < _HEAD.size:
                    continue
                held = newest[key].value if key in newest else self.data.get(key)
                if held is None or applied_of(value) >= applied_of(held):
                    newest[key] = _Change(key, value, record.partition)
        super().apply_changelog_batch(cast("list[EventT[Any]]", list(newest.values())))
