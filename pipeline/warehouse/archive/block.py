"""What is stored with one insert, and why it cannot be stored twice.

The rows of a partition form a chain of blocks. A block's name is `previous`, the greatest offset that the table held
of the partition before it, and the name alone is its deduplication token. So the insert is a compare-and-swap on the
greatest offset: of all blocks that follow the same `previous` ClickHouse keeps the first and drops every other,
whatever they hold and whoever sends them. A writer that asks for the greatest offset after its insert knows whether
its block was the one, and goes on from what the table says if it was not. By induction the blocks of a partition are
disjoint and in order, even when a writer that was thought dead writes beside its successor.

Rollups are the second step of a block. They see it only once it is known to be stored, under its token again, and
the next block waits for them; whoever takes a partition over repeats that step for the last block it finds. So a
rollup has every block, whichever process or engine dies where, and has it once.

This holds while ClickHouse remembers the token: for the next WINDOW blocks of the table
(`non_replicated_deduplication_window`; on replicated tables `replicated_deduplication_window`). A writer therefore
does not trust what it knows of `previous` for longer than FRESH_S: after a longer pause it asks again.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import pyarrow as pa

WINDOW = 10_000
FRESH_S = 5.0
NOTHING = -1
"""The `previous` of a partition's first block."""


def token(topic: str, partition: int, previous: int) -> str:
    """The deduplication token of the block that follows `previous`."""
    return f"{topic}/{partition}/after {previous}"


def insert_settings(token_: str) -> dict[str, object]:
    """One insert is one block, waits until it is stored, and its views see the token too."""
    return {
        "insert_deduplicate": 1,
        "insert_deduplication_token": token_,
        "deduplicate_blocks_in_dependent_materialized_views": 1,
        "async_insert": 0,
        "wait_end_of_query": 1,
        "max_insert_threads": 1,
        "min_insert_block_size_rows": 4_000_000,
        "min_insert_block_size_bytes": 2 * 1024 * 1024 * 1024,
        "max_insert_block_size": 4_000_000,
        "input_format_null_as_default": 1,
    }


@dataclass(frozen=True, slots=True)
class Refusal:
    """A record that could not be read."""

    offset: int
    reason: str
    detail: str
    schema_id: int | None
    key: bytes
    value: bytes


@dataclass(frozen=True, slots=True)
class Block:
    """Rows of one partition. `rows` is None when the records gave none; `last` is the offset of the last row's
    record, `through` that of the last record looked at."""

    topic: str
    partition: int
    previous: int
    last: int
    through: int
    rows: pa.Table | None
    refusals: tuple[Refusal, ...] = field(default=())

    @property
    def token(self) -> str:
        return token(self.topic, self.partition, self.previous)
