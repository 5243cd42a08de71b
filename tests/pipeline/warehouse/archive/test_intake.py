"""What is gathered leaves as one block that says how far it reaches."""

from __future__ import annotations

from collections import Counter

from pipeline.warehouse.archive.block import NOTHING
from pipeline.warehouse.archive.intake import Intake
from pipeline.warehouse.archive.points import PointsAssembler
from tests.pipeline.warehouse.records import CODEC, logged, points


def intake(previous: int = NOTHING) -> Intake:
    return Intake("points.clustered.v1", 0, PointsAssembler(CODEC, {}), previous, Counter())


def test_a_block_names_what_was_stored_before_it_and_the_next_follows_it() -> None:
    gathered = intake(previous=7)
    for offset in (8, 9):
        gathered.add(logged(points(0, offset), offset), now=1.0)
    first = gathered.take()
    gathered.add(logged(points(0, 12), 12), now=2.0)
    second = gathered.take()
    assert (first.previous, first.last, first.token) == (7, 9, "points.clustered.v1/0/after 7")
    assert (second.previous, second.last) == (9, 12)


def test_records_without_rows_are_looked_at_but_do_not_move_the_chain() -> None:
    gathered = intake(previous=7)
    gathered.add(logged(points(0, 1), 8), now=1.0)
    gathered.add(logged(points(0, 1), 9), now=1.0)
    gathered.add(logged(None, 10), now=1.0)
    block = gathered.take()
    assert (block.last, block.through) == (8, 10)
    assert [refusal.offset for refusal in block.refusals] == [10]
    gathered.add(logged(None, 11), now=1.0)
    block = gathered.take()
    assert (block.previous, block.last, block.rows) == (8, 8, None)
    assert gathered.counts == {"rows": 3, "repeated": 1, "refused": 2}


def test_the_oldest_row_says_how_long_the_block_has_waited() -> None:
    gathered = intake()
    since = [gathered.since]
    for offset, now in enumerate((5.0, 6.0)):
        gathered.add(logged(points(0, offset), offset), now)
        since.append(gathered.since)
    assert since == [None, 5.0, 5.0]
    gathered.take()
    assert (gathered.since, gathered.size, gathered.empty) == (None, 0, True)
