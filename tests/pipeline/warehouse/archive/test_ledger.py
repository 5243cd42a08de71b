"""The chain of blocks on the real engine: one of two rivals wins, a lost rollup is mended, what is stored is known."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pipeline.warehouse.archive.block import NOTHING, Block
from pipeline.warehouse.archive.drifts import DRIFTS, ORDINALS
from pipeline.warehouse.archive.ledger import Head, Ledger
from pipeline.warehouse.archive.points import POINTS, PointsAssembler
from pipeline.warehouse.archive.restore import seen_drifts, seen_sources
from pipeline.warehouse.archive.streams import STREAMS
from pipeline.warehouse.connection import Connection
from tests.pipeline.warehouse.databases import value
from tests.pipeline.warehouse.records import CODEC, drift, logged, points, update

TOPIC = POINTS.topic.name


def block(previous: int, last: int, sources: range | list[int] | None = None) -> Block:
    """The points of the offsets (previous, last], whose source offsets are the same unless told."""
    assembler = PointsAssembler(CODEC, {})
    offsets = range(previous + 1, last + 1)
    for offset, source in zip(offsets, sources or offsets, strict=True):
        assembler.add(logged(points(0, source), offset))
    return Block(TOPIC, 0, previous, last, last, assembler.take(previous))


def totals(tables: Connection) -> tuple[int, int, int]:
    """Rows in the table, in the rollup by minute, and in the rollup by cluster."""
    return (
        value(tables, "SELECT count() FROM points"),
        value(tables, "SELECT sum(points) FROM points_per_minute"),
        value(tables, "SELECT sum(points) FROM cluster_points_per_minute"),
    )


def test_the_head_is_the_last_offset_and_its_block(tables: Connection) -> None:
    ledger = Ledger(tables, POINTS, 0)
    assert ledger.head() == Head(NOTHING, NOTHING)
    assert ledger.store(block(NOTHING, 4), certain=True) == Head(4, NOTHING)
    assert ledger.store(block(4, 5), certain=True) == Head(5, 4)
    assert Ledger(tables, POINTS, 1).head() == Head()


@pytest.mark.parametrize("rival", [2, 4, 9])
def test_of_two_blocks_that_follow_the_same_offset_the_first_counts_and_the_second_is_told(
    tables: Connection, rival: int
) -> None:
    assert Ledger(tables, POINTS, 0).store(block(NOTHING, 4), certain=True).last == 4
    late = Ledger(tables, POINTS, 0)
    late._asked_at = float("inf")  # a process stopped between its last look and its insert
    assert late.store(block(NOTHING, rival), certain=True).last == 4
    assert totals(tables) == (15, 15, 15)


def test_a_writer_that_has_slept_looks_before_it_writes(tables: Connection) -> None:
    sleeper = Ledger(tables, POINTS, 0)
    assert sleeper.head() == Head()
    Ledger(tables, POINTS, 0).store(block(NOTHING, 4), certain=True)
    sleeper._asked_at -= 60
    no_such_table = replace(block(NOTHING, 2), rows=None, refusals=())
    assert sleeper.store(no_such_table, certain=True).last == 4


def test_a_block_in_doubt_that_is_stored_is_not_stored_again(tables: Connection) -> None:
    ledger = Ledger(tables, POINTS, 0)
    doubtful = block(NOTHING, 4)
    for _ in range(3):
        assert ledger.store(doubtful, certain=False).last == 4
    assert totals(tables) == (15, 15, 15)


def test_a_rollup_that_lacks_the_last_block_is_mended(tables: Connection) -> None:
    ledger = Ledger(tables, POINTS, 0)
    head = ledger.store(block(NOTHING, 4), certain=True)
    tables.command("TRUNCATE TABLE minutes")  # forgets the token too: as if the engine had died before it
    assert totals(tables) == (15, 0, 15)
    ledger.mend(head)
    ledger.mend(head)
    assert totals(tables) == (15, 15, 15)


def test_mending_nothing_is_nothing(tables: Connection) -> None:
    Ledger(tables, POINTS, 0).mend(Head())
    assert value(tables, "SELECT count() FROM points") == 0


def test_what_is_stored_is_known_again_as_intervals(tables: Connection) -> None:
    Ledger(tables, POINTS, 0).store(block(NOTHING, 6, [3, 4, 5, 9, 10, 40, 12]), certain=True)
    found = seen_sources(tables, TOPIC, 0, depth=1000)
    assert {source: list(seen) for source, seen in found.items()} == {0: [(3, 5), (9, 10), (12, 12), (40, 40)]}
    assert seen_sources(tables, TOPIC, 1, depth=1000) == {}


def test_beyond_the_depth_everything_older_counts_as_stored(tables: Connection) -> None:
    Ledger(tables, POINTS, 0).store(block(NOTHING, 3, [1, 2, 90, 100]), certain=True)
    seen = seen_sources(tables, TOPIC, 0, depth=20)[0]
    assert list(seen) == [(90, 90), (100, 100)]
    assert [number in seen for number in (0, 50, 80, 81, 89, 90, 95, 100)] == [True] * 3 + [False] * 2 + [
        True,
        False,
        True,
    ]


def test_drifts_and_updates_stored_are_known_again(tables: Connection) -> None:
    drifts = DRIFTS.restore(tables, CODEC, DRIFTS.topic.name, 0)
    for offset, it in enumerate((drift(4), drift(4, ordinal=1), drift(8))):
        drifts.add(logged(it, offset, topic=DRIFTS.topic.name))
    last = Block(DRIFTS.topic.name, 0, NOTHING, 2, 2, drifts.take(NOTHING))
    assert Ledger(tables, DRIFTS, 0).store(last, certain=True).last == 2
    found = seen_drifts(tables, DRIFTS.topic.name, 0, ORDINALS, depth=10)
    assert [number for number, _ in found[0]] == [4 * ORDINALS, 4 * ORDINALS + 1, 8 * ORDINALS]

    streams = STREAMS.restore(tables, CODEC, STREAMS.topic.name, 0)
    for offset, event in enumerate((update("stream-0", 5, {1: 1}), None, update("other", 6, {1: 1}))):
        assert streams.add(logged(event, offset, topic=STREAMS.topic.name))
    block_ = Block(STREAMS.topic.name, 0, NOTHING, 2, 2, streams.take(NOTHING))
    assert Ledger(tables, STREAMS, 0).store(block_, certain=True).last == 2
    again = STREAMS.restore(tables, CODEC, STREAMS.topic.name, 0)
    assert not again.add(logged(update("other", 6, {1: 1}), 3, topic=STREAMS.topic.name))
    assert not again.add(logged(None, 4, topic=STREAMS.topic.name))
    assert again.add(logged(update("other", 7, {1: 1}), 5, topic=STREAMS.topic.name))
