"""What the tables hold of a partition, asked when it is assigned: so that repetitions are known across restarts."""

from __future__ import annotations

from dataclasses import dataclass

from pipeline.warehouse.connection import Connection
from pipeline.warehouse.seen import Seen

_SOURCES = """
WITH ends AS
(
    SELECT source_partition, max(source_offset) AS newest
    FROM points WHERE _topic = {topic:String} AND _partition = {partition:UInt32} GROUP BY source_partition
)
SELECT source_partition, min(number), max(number)
FROM
(
    SELECT source_partition, number,
           number - row_number() OVER (PARTITION BY source_partition ORDER BY number) AS island
    FROM
    (
        SELECT DISTINCT source_partition, source_offset AS number
        FROM points INNER JOIN ends USING (source_partition)
        WHERE _topic = {topic:String} AND _partition = {partition:UInt32} AND source_offset > newest - {depth:Int64}
          AND source_offset > (SELECT min(newest) FROM ends) - {depth:Int64}
    )
)
GROUP BY source_partition, island
ORDER BY source_partition, min(number)
"""
_DRIFTS = """
SELECT source_partition, source_offset * {ordinals:Int64} + ordinal AS number
FROM drifts
WHERE _topic = {topic:String} AND _partition = {partition:UInt32}
ORDER BY number DESC
LIMIT {depth:UInt32} BY source_partition
"""
_COMMANDS = """
SELECT splitByChar('.', action)[1] AS entity, source_partition, source_offset
FROM audit
WHERE _topic = {topic:String} AND _partition = {partition:UInt32} AND source_offset IS NOT NULL
ORDER BY source_offset DESC
LIMIT {depth:UInt32} BY entity, source_partition
"""
_STREAMS = """
SELECT stream, argMax(source_offset, _offset), argMax(deleted, _offset)
FROM stream_history
WHERE _topic = {topic:String} AND _partition = {partition:UInt32}
GROUP BY stream
"""


@dataclass(frozen=True, slots=True)
class LastUpdate:
    """The last row kept of a stream."""

    source_offset: int
    deleted: bool


def seen_sources(connection: Connection, topic: str, partition: int, depth: int) -> dict[int, Seen]:
    """By source partition: the source offsets stored, one by one for the last `depth`; older ones count as stored."""
    found = connection.rows(_SOURCES, {"topic": topic, "partition": partition, "depth": depth})
    intervals: dict[int, list[tuple[int, int]]] = {}
    for source, first, last in found:
        intervals.setdefault(source, []).append((first, last))
    return {source: Seen(islands, floor=max(0, islands[-1][1] - depth + 1)) for source, islands in intervals.items()}


def seen_drifts(connection: Connection, topic: str, partition: int, ordinals: int, depth: int) -> dict[int, Seen]:
    """By source partition: the numbers of the last `depth` drifts stored; older ones count as stored."""
    parameters = {"topic": topic, "partition": partition, "ordinals": ordinals, "depth": depth}
    numbers: dict[int, list[int]] = {}
    for source, number in connection.rows(_DRIFTS, parameters):
        numbers.setdefault(source, []).append(number)
    return {source: _seen(found, depth) for source, found in numbers.items()}


def seen_commands(connection: Connection, topic: str, partition: int, depth: int) -> dict[tuple[str, int], Seen]:
    """By entity and source partition: the last `depth` commands whose audit is stored; older ones count as stored."""
    offsets: dict[tuple[str, int], list[int]] = {}
    parameters = {"topic": topic, "partition": partition, "depth": depth}
    for entity, source, offset in connection.rows(_COMMANDS, parameters):
        offsets.setdefault((entity, source), []).append(offset)
    return {place: _seen(found, depth) for place, found in offsets.items()}


def last_updates(connection: Connection, topic: str, partition: int) -> dict[str, LastUpdate]:
    """By stream: one entry for each the table has rows of; a worker holds far more of each."""
    found = connection.rows(_STREAMS, {"topic": topic, "partition": partition})
    return {stream: LastUpdate(source_offset, bool(deleted)) for stream, source_offset, deleted in found}


def _seen(numbers: list[int], depth: int) -> Seen:
    runs = ((number, number) for number in sorted(set(numbers)))
    return Seen(runs, floor=min(numbers) if len(numbers) == depth else 0)
