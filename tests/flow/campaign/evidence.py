"""What a run has left behind: the log's topics, the changelog, the tables; read once, after all is quiet."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from pipeline.clock import now
from pipeline.kafka.browse import stretch
from pipeline.kafka.record import Record
from pipeline.settings import KafkaSettings
from pipeline.warehouse.connection import Connection
from schemas.clustering.clusters import ClustersUpdated, DriftDetected
from schemas.clustering.points import OutliersDetected, PointsClustered
from schemas.clustering.topics import CLUSTERED, CLUSTERS, DRIFT, OBSERVED, OUTLIERS
from schemas.codec import Codec
from schemas.event import Event
from schemas.exchange import REPLIES, Refused, Replied
from schemas.topic import Topic
from tests.flow.campaign.journal import Place
from tests.flow.history import Reference, stored_states

PREFIX = "campaign-"
E = TypeVar("E", bound=Event)
Written = tuple[Record, E]


@dataclass
class Evidence:
    """`log` by place; outputs by the place of their input, each in the order of the log. `torn` says what could not
    even be gathered."""

    log: Mapping[Place, Record]
    truth: Reference
    states: Mapping[bytes, tuple[int, bytes]]
    clustered: Mapping[Place, Sequence[Written[PointsClustered]]]
    outliers: Mapping[Place, Sequence[Written[OutliersDetected]]]
    drifts: Mapping[tuple[Place, int], Sequence[Written[DriftDetected]]]
    updates: Mapping[Place, Sequence[Written[ClustersUpdated]]]
    replies: Mapping[tuple[str, int], Sequence[Replied]]
    letters: Mapping[Place, Sequence[Refused]]
    answered_at: Mapping[Place, int] = field(default_factory=dict)
    """When the first of a record's outputs was made, milliseconds since the epoch."""
    torn: Sequence[str] = ()


def gather(kafka: KafkaSettings) -> Evidence:
    """Blocking. Raises LogUnavailable."""
    codec = Codec()
    log = {(record.partition, record.offset): record for record in stretch(kafka, OBSERVED.name)}
    updates: defaultdict[Place, list[Written[ClustersUpdated]]] = defaultdict(list)
    for record, event in _events(kafka, codec, CLUSTERS, ClustersUpdated):
        updates[event.source_partition, event.source_offset].append((record, event))
    clustered: defaultdict[Place, list[Written[PointsClustered]]] = defaultdict(list)
    for record, output in _events(kafka, codec, CLUSTERED, PointsClustered):
        clustered[output.source_partition, output.source_offset].append((record, output))
    outliers: defaultdict[Place, list[Written[OutliersDetected]]] = defaultdict(list)
    for record, strays in _events(kafka, codec, OUTLIERS, OutliersDetected):
        outliers[strays.source_partition, strays.source_offset].append((record, strays))
    drifts: defaultdict[tuple[Place, int], list[Written[DriftDetected]]] = defaultdict(list)
    for record, drift in _events(kafka, codec, DRIFT, DriftDetected):
        drifts[(drift.source_partition, drift.source_offset), drift.ordinal].append((record, drift))
    replies: defaultdict[tuple[str, int], list[Replied]] = defaultdict(list)
    answered_at: dict[Place, int] = {place: found[0][0].timestamp for place, found in clustered.items()}
    for record, reply in _events(kafka, codec, REPLIES, Replied):
        if reply.topic != OBSERVED.name:
            continue
        replies[reply.request_id, reply.part].append(reply)
        answered_at.setdefault((reply.source_partition, reply.source_offset), record.timestamp)
    letters: defaultdict[Place, list[Refused]] = defaultdict(list)
    for record, letter in _events(kafka, codec, replace(OBSERVED, name=OBSERVED.refused), Refused):
        letters[letter.source_partition, letter.source_offset].append(letter)
        answered_at.setdefault((letter.source_partition, letter.source_offset), record.timestamp)
    truth = Reference(kafka, codec, now, PREFIX, asked=updates.keys())
    states, torn = _states(kafka)
    return Evidence(log, truth, states, clustered, outliers, drifts, updates, replies, letters, answered_at, torn)


def _states(kafka: KafkaSettings) -> tuple[Mapping[bytes, tuple[int, bytes]], Sequence[str]]:
    try:
        return stored_states(kafka, PREFIX), ()
    except AssertionError as error:
        return {}, (f"changelog: {error}",)


def _events(kafka: KafkaSettings, codec: Codec, topic: Topic, kind: type[E]) -> Iterator[Written[E]]:
    for record in stretch(kafka, topic.name):
        if record.value is not None:
            yield record, codec.decode(record.value, kind)


@dataclass(frozen=True)
class Rows:
    """What the warehouse holds. `points`: by place, (batch_index, cluster_id, similarity, values) in order."""

    points: Mapping[Place, Sequence[tuple[int, int, float, list[float]]]]
    last: Mapping[str, Place]
    """Of each stream: the input that its newest row speaks of."""
    drifts: Mapping[tuple[Place, int], int]
    """How many rows."""
    rollups: Sequence[str]
    """What is wrong with them."""


def rows_of(connection: Connection) -> Rows:
    """Blocking. Raises WarehouseUnavailable."""
    points: defaultdict[Place, list[tuple[int, int, float, list[float]]]] = defaultdict(list)
    for partition, offset, *row in connection.rows(
        "SELECT source_partition, source_offset, batch_index, cluster_id, similarity, values FROM points "
        "ORDER BY source_partition, source_offset, batch_index"
    ):
        points[partition, offset].append((row[0], row[1], row[2], list(row[3])))
    last = {
        stream: (partition, offset)
        for stream, partition, offset in connection.rows(
            "SELECT stream, argMax(source_partition, _offset), argMax(source_offset, _offset) FROM stream_history "
            "GROUP BY stream"
        )
    }
    drifts = {
        ((partition, offset), ordinal): count
        for partition, offset, ordinal, count in connection.rows(
            "SELECT source_partition, source_offset, ordinal, count() FROM drifts GROUP BY ALL"
        )
    }
    return Rows(points, last, drifts, [*_unlike(connection, _MINUTES), *_unlike(connection, _CLUSTER_MINUTES)])


_MINUTES = (
    "SELECT stream, minute, points, outliers, mean_similarity FROM points_per_minute ORDER BY stream, minute",
    "SELECT stream, toStartOfMinute(observed_at) AS minute, count(), countIf(is_outlier), avg(similarity) FROM points "
    "GROUP BY stream, minute ORDER BY stream, minute",
)
_CLUSTER_MINUTES = (
    "SELECT stream, cluster_id, minute, points, mean_similarity FROM cluster_points_per_minute ORDER BY ALL",
    "SELECT stream, cluster_id, toStartOfMinute(observed_at) AS minute, count(), avg(similarity) FROM points "
    "GROUP BY stream, cluster_id, minute ORDER BY ALL",
)


def _unlike(connection: Connection, queries: tuple[str, str]) -> Iterator[str]:
    rollup, rows = (connection.rows(query) for query in queries)
    if len(rollup) != len(rows):
        yield f"a rollup has {len(rollup)} rows where the points give {len(rows)}"
    for summed, counted in zip(rollup, rows, strict=False):
        if not _alike(summed, counted):
            yield f"a rollup has {tuple(summed)} where the points give {tuple(counted)}"


def _alike(summed: Sequence[Any], counted: Sequence[Any]) -> bool:
    """The mean, which stands last, but for the order of its summation."""
    return summed[:-1] == counted[:-1] and abs(summed[-1] - counted[-1]) < 1e-9
