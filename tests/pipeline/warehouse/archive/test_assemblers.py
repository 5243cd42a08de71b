"""Records become the rows one would write by hand, and the real engine takes them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.warehouse.archive.assembler import Assembler, Target
from pipeline.warehouse.archive.audit import AUDIT, AuditAssembler
from pipeline.warehouse.archive.block import NOTHING, Block
from pipeline.warehouse.archive.drifts import DRIFTS, DriftsAssembler
from pipeline.warehouse.archive.ledger import Ledger
from pipeline.warehouse.archive.points import POINTS, PointsAssembler
from pipeline.warehouse.archive.streams import STREAMS, StreamsAssembler
from pipeline.warehouse.connection import Connection
from schemas.clustering.points import PointsClustered
from schemas.codec import Undecodable
from schemas.exchange import SOURCE_HEADER
from tests.pipeline.warehouse.databases import value
from tests.pipeline.warehouse.records import CODEC, action, drift, logged, points, update

SHAPES = st.lists(st.tuples(st.integers(1, 5), st.integers(1, 4)), min_size=1, max_size=6)


def rows_by_hand(batch: PointsClustered, offset: int) -> list[dict[str, Any]]:
    values = batch.values.reshape(-1, batch.dimension)
    return [
        {
            "stream": batch.stream,
            "point": batch.first_point + index,
            "cluster_id": label,
            "similarity": batch.similarities[index],
            "values": values[index].tolist(),
            "batch_id": batch.batch_id or "",
            "batch_index": index,
            "source_offset": batch.source_offset,
            "_offset": offset,
        }
        for index, label in enumerate(batch.labels)
    ]


def stored(tables: Connection, target: Target, assembler: Assembler) -> None:
    """All that is gathered, as partition 0's first block."""
    rows = assembler.take(NOTHING)
    last = rows["_offset"][-1].as_py()
    block = Block(target.topic.name, 0, NOTHING, last, last, rows)
    assert Ledger(tables, target, 0).store(block, certain=True).last == last


@settings(deadline=None)
@given(SHAPES)
def test_a_block_of_points_is_a_row_a_point(shapes: list[tuple[int, int]]) -> None:
    assembler = PointsAssembler(CODEC, {})
    expected = []
    for offset, (rows, dimension) in enumerate(shapes):
        batch = points(0, offset, rows, dimension, batch_id=None if offset % 2 else "b")
        assert assembler.add(logged(batch, offset))
        expected += rows_by_hand(batch, offset)
    table = assembler.take(-1)
    assert table.select(list(expected[0])).to_pylist() == expected
    assert assembler.rows == 0


def test_the_engine_stores_points_as_they_are(tables: Connection) -> None:
    assembler = PointsAssembler(CODEC, {})
    for offset, dimension in enumerate((2, 3)):
        assembler.add(logged(points(0, offset, 4, dimension, labels=[-1, 0, 1, 2]), offset))
    stored(tables, POINTS, assembler)
    assert tables.rows(
        "SELECT stream, dimension, is_outlier, cluster_id, values, metadata, request_id, toString(observed_at), "
        "toString(_block_at) FROM points WHERE source_offset = 1 AND batch_index = 0"
    ) == [
        (
            "stream-0",
            3,
            True,
            -1,
            points(0, 1, 4, 3).values[:3].tolist(),
            {"room": "4"},
            "request-1",
            "2026-09-21 14:13:21.000000",
            "2026-09-21 14:13:20",
        )
    ]


def test_a_wild_time_is_kept_within_what_the_engine_can_say(tables: Connection) -> None:
    assembler = PointsAssembler(CODEC, {})
    for offset, observed_at in enumerate((-(2**63), 2**63 - 1)):
        assembler.add(logged(points(0, offset, 1, observed_at=observed_at), offset))
    stored(tables, POINTS, assembler)
    years = tables.rows("SELECT toYear(observed_at) FROM points ORDER BY source_offset")
    assert years == [(1970,), (2105,)]
    assert value(tables, "SELECT sum(points) FROM points_per_minute") == 2


def test_a_block_of_many_months_is_one_part_and_its_rollups_take_it(tables: Connection) -> None:
    assembler = PointsAssembler(CODEC, {})
    for offset in range(300):
        assembler.add(logged(points(0, offset, 1, observed_at=offset * 31 * 86_400_000_000), offset))
    stored(tables, POINTS, assembler)
    assert value(tables, "SELECT uniqExact(_part) FROM points") == 1
    assert value(tables, "SELECT sum(points) FROM points_per_minute") == 300


@pytest.mark.parametrize(
    "told",
    [{"similarities": np.zeros(2)}, {"values": np.zeros(5)}, {"labels": [1]}, {"dimension": 3}, {"source_offset": -1}],
)
def test_arrays_that_do_not_fit_are_refused(told: dict[str, Any]) -> None:
    with pytest.raises(Undecodable, match=r"shape_invalid|position_invalid"):
        PointsAssembler(CODEC, {}).add(logged(replace(points(0, 1), **told), 0))


def test_a_batch_that_comes_again_gives_no_rows() -> None:
    assembler = PointsAssembler(CODEC, {})
    told = [assembler.add(logged(points(0, source), offset)) for offset, source in enumerate((5, 6, 5, 7, 6))]
    assert told == [True, True, False, True, False]
    assert sorted(set(assembler.take(-1)["source_offset"].to_pylist())) == [5, 6, 7]


def test_an_update_that_is_repeated_or_older_gives_no_row() -> None:
    assembler = StreamsAssembler(CODEC, {})
    told = [
        assembler.add(logged(update(stream, source, {1: 2}), offset))
        for offset, (stream, source) in enumerate([("a", 3), ("b", 2), ("a", 3), ("a", 2), ("a", 4)])
    ]
    assert told == [True, True, False, False, True]


def test_a_deletion_counts_once_and_a_stream_may_begin_again() -> None:
    assembler = StreamsAssembler(CODEC, {})
    events = [None, update("a", 3, {1: 2}), None, None, update("a", 9, {1: 1})]
    told = [assembler.add(logged(event, offset, key=b"a")) for offset, event in enumerate(events)]
    assert told == [False, True, True, False, True]
    assert assembler.take(-1)["deleted"].to_pylist() == [False, True, False]


def test_a_repeated_deletion_that_names_its_source_does_not_end_the_next_life() -> None:
    assembler = StreamsAssembler(CODEC, {})
    gone = {SOURCE_HEADER: b"points.observed.v1-0-4"}
    story = [update("a", 3, {1: 2}), None, update("a", 5, {1: 1})]
    told = [
        assembler.add(replace(logged(event, offset, key=b"a"), headers={} if event else gone))
        for offset, event in enumerate([*story, *story, update("a", 6, {1: 3})])
    ]
    assert told == [True, True, True, False, False, False, True]
    rows = assembler.take(-1)
    assert rows["deleted"].to_pylist() == [False, True, False, False]
    assert rows["source_offset"].to_pylist() == [3, 4, 5, 6]


def test_the_engine_unfolds_the_clusters_of_an_update(tables: Connection) -> None:
    assembler = StreamsAssembler(CODEC, {})
    events = [update("a", 1, {1: 10, 2: 20}), update("b", 2, {}), update("a", 3, {1: 11, 2: 20, 3: 1}), None]
    for offset, event in enumerate(events):
        assembler.add(logged(event, offset, topic=STREAMS.topic.name, key=b"b"))
    stored(tables, STREAMS, assembler)
    history = tables.rows("SELECT stream, source_offset, cluster_id, size, center FROM cluster_history ORDER BY ALL")
    assert history == [
        ("a", 1, 1, 10, [0.0, 1.0]),
        ("a", 3, 1, 11, [0.0, 1.0]),
        ("a", 3, 2, 20, [2.0, 3.0]),
    ]
    now = tables.rows("SELECT stream, cluster_id, size FROM clusters_now ORDER BY ALL")
    assert now == [("a", 1, 11), ("a", 2, 20), ("a", 3, 1)]
    assert tables.rows("SELECT stream, clusters, p99_ms, clustering_quality FROM streams_now") == [("a", 3, 3.0, None)]


def test_two_drifts_of_one_batch_are_two_and_a_repetition_is_none(tables: Connection) -> None:
    assembler = DriftsAssembler(CODEC, {})
    records = [drift(4), drift(4, ordinal=1), drift(4), drift(3), drift(4, ordinal=1)]
    told = [assembler.add(logged(it, offset, topic=DRIFTS.topic.name)) for offset, it in enumerate(records)]
    assert told == [True, True, False, True, False]
    stored(tables, DRIFTS, assembler)
    assert tables.rows("SELECT source_offset, ordinal, affected_clusters FROM drifts ORDER BY ALL") == [
        (3, 0, [1, 2]),
        (4, 0, [1, 2]),
        (4, 1, [1, 2]),
    ]


def test_a_decision_told_again_after_a_crash_is_one_row(tables: Connection) -> None:
    told_twice = [("user.create", 4), ("user.rename", 5), ("user.create", 4), ("webhook.create", 4), ("user.rename", 5)]
    assembler = AuditAssembler(CODEC, {})
    told = [
        assembler.add(
            logged(action(n, action=name, source_partition=0, source_offset=source), n, topic=AUDIT.topic.name)
        )
        for n, (name, source) in enumerate(told_twice)
    ]
    assert told == [True, True, False, True, False]  # a webhook's commands may lie in another topic than a user's
    stored(tables, AUDIT, assembler)
    assert tables.rows("SELECT action, source_offset FROM audit ORDER BY ALL") == [
        ("user.create", 4),
        ("user.rename", 5),
        ("webhook.create", 4),
    ]
    restored = AUDIT.restore(tables, CODEC, AUDIT.topic.name, 0)
    again = [("user.rename", 5), ("webhook.create", 4), ("user.create", 6)]
    for n, (name, source) in enumerate(again, 5):
        it = action(n, action=name, source_partition=0, source_offset=source)
        assert restored.add(logged(it, n, topic=AUDIT.topic.name)) == (source == 6)


def test_what_the_door_tells_is_a_row_each_time(tables: Connection) -> None:
    assembler = AuditAssembler(CODEC, {})
    for n in range(2):
        it = action(7, count=2, details={"permission": "clustering:write"})
        assert assembler.add(logged(it, n, topic=AUDIT.topic.name))
    stored(tables, AUDIT, assembler)
    assert (
        tables.rows("SELECT actor, target, status, count, details, source_offset FROM audit")
        == [("user:ada", None, 200, 2, {"permission": "clustering:write"}, None)] * 2
    )


@pytest.mark.parametrize(
    "told",
    [
        {"source_offset": 3},
        {"source_partition": 3},
        {"source_partition": -1, "source_offset": 3},
        {"source_partition": 0, "source_offset": -3},
    ],
)
def test_an_action_of_half_a_position_is_refused(told: dict[str, Any]) -> None:
    with pytest.raises(Undecodable, match="position_invalid"):
        AuditAssembler(CODEC, {}).add(logged(action(0, **told), 0))
