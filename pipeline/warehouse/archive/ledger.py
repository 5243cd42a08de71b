"""The table as a partition's offset store: what it holds, storing the next block, handing it on to the rollups."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa

from pipeline.warehouse.archive.assembler import Target
from pipeline.warehouse.archive.block import FRESH_S, NOTHING, WINDOW, Block, insert_settings, token
from pipeline.warehouse.connection import Connection

VALUE_KEPT = 64 * 1024
"""Bytes kept of the value of a refused record; the whole of it is at its position for as long as the log keeps it."""


@dataclass(frozen=True, slots=True)
class Head:
    """The greatest offset stored, and the `previous` of the block it came in; NOTHING where there are no rows."""

    last: int = NOTHING
    previous: int = NOTHING


class Ledger:
    """Every method raises what Connection raises. Used by one thread at a time."""

    def __init__(self, connection: Connection, target: Target, partition: int) -> None:
        self._connection, self._target, self._partition = connection, target, partition
        self._place = {"topic": target.topic.name, "partition": partition}
        self._asked_at = float("-inf")

    def head(self) -> Head:
        """Answered by the table's projection: a row a part, however many rows there are."""
        asked_at = time.monotonic()
        found = self._connection.rows(
            f"""
            SELECT max(_offset), max(_previous) FROM {self._target.table}
            WHERE _topic = {{topic:String}} AND _partition = {{partition:UInt32}}
            GROUP BY _topic, _partition
            """,
            self._place,
        )
        self._asked_at = asked_at
        return Head(*found[0]) if found else Head()

    def store(self, block: Block, *, certain: bool) -> Head:
        """Stores the block, unless the table turns out to have gone on without it. Returns the head afterwards: the
        block is stored exactly when that is its `last`. The table is asked before, too, when its last answer is not
        fresh or the block is in doubt (`certain` False): this process may have been stopped meanwhile."""
        if not certain or time.monotonic() - self._asked_at > FRESH_S:
            head = self.head()
            if head.last not in (block.previous, block.last):
                return head
        if block.refusals:
            self._connection.insert("refused_records", _refusals(block), insert_settings(f"{block.token}/refused"))
        if block.rows is None:
            return Head(block.last)
        self._connection.insert(self._target.table, block.rows, insert_settings(block.token))
        head = self.head()
        if head.last == block.last:
            self._hand_on(block.rows, block.token)
        return head

    def mend(self, head: Head) -> None:
        """Hands the last block on again, as it lies in the table: whoever stored it may have died before. The rollups
        that have it drop it.

        Left out where so many blocks have come since that its token may be forgotten. Then the partition has been
        idle since, and whoever had it before has mended it: an owner that died is replaced within seconds.
        """
        if self._target.onward is None or head.last == NOTHING or self._blocks_since(head) > WINDOW // 2:
            return
        columns = ", ".join(f"`{name}`" for name in self._target.handed or self._columns())
        rows = self._connection.arrow(
            f"""
            SELECT {columns} FROM {self._target.table}
            WHERE _topic = {{topic:String}} AND _partition = {{partition:UInt32}}
              AND _offset > {{previous:Int64}} AND _previous = {{previous:Int64}}
            """,
            self._place | {"previous": head.previous},
        )
        if rows.num_rows:
            self._hand_on(rows, token(self._target.topic.name, self._partition, head.previous))

    def _hand_on(self, rows: pa.Table, name: str) -> None:
        if self._target.onward is not None:
            kept = rows.select(list(self._target.handed)) if self._target.handed else rows
            self._connection.insert(self._target.onward, kept, insert_settings(name))

    def _blocks_since(self, head: Head) -> int:
        found = self._connection.rows(
            f"""
            SELECT uniqExact(_topic, _partition, _previous) FROM {self._target.table}
            WHERE archived_at >=
            (
                SELECT min(archived_at) FROM {self._target.table}
                WHERE _topic = {{topic:String}} AND _partition = {{partition:UInt32}} AND _offset = {{last:Int64}}
            )
            """,
            self._place | {"last": head.last},
        )
        return int(found[0][0])

    def _columns(self) -> Sequence[str]:
        found = self._connection.rows(
            """
            SELECT name FROM system.columns
            WHERE database = currentDatabase() AND table = {table:String}
              AND default_kind NOT IN ('ALIAS', 'MATERIALIZED')
            """,
            {"table": self._target.table},
        )
        return [name for (name,) in found]


def _refusals(block: Block) -> pa.Table:
    def all_of(name: str, kind: pa.DataType) -> pa.Array:
        return pa.array([getattr(refusal, name) for refusal in block.refusals], kind)

    rows = len(block.refusals)
    values = [refusal.value for refusal in block.refusals]
    return pa.table(
        {
            "_topic": pa.array([block.topic] * rows),
            "_partition": pa.array([block.partition] * rows, pa.uint32()),
            "_offset": all_of("offset", pa.int64()),
            "reason": all_of("reason", pa.string()),
            "detail": all_of("detail", pa.string()),
            "schema_id": all_of("schema_id", pa.int32()),
            "key": all_of("key", pa.binary()),
            "value": pa.array([value[:VALUE_KEPT] for value in values], pa.binary()),
            "value_size": pa.array([len(value) for value in values], pa.uint32()),
        }
    )
