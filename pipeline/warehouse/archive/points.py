"""points.clustered.v1 into `points`: a row a point."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pipeline.kafka.record import Record
from pipeline.warehouse.archive.assembler import Target
from pipeline.warehouse.archive.origin import Columns, log_time, moments, origin, texts
from pipeline.warehouse.archive.restore import seen_sources
from pipeline.warehouse.connection import Connection
from pipeline.warehouse.seen import Seen
from schemas.clustering.points import PointsClustered
from schemas.clustering.topics import CLUSTERED
from schemas.codec import Codec, Undecodable

REMEMBERED = 1_000_000
"""Source offsets, counted back from the greatest stored, of which it is known one by one whether they are stored."""


class PointsAssembler:
    """See Assembler. A repetition is known by its source position; `seen` is by source partition."""

    def __init__(self, codec: Codec, seen: dict[int, Seen]) -> None:
        self._codec, self._seen = codec, seen
        self._records: list[Record] = []
        self._batches: list[PointsClustered] = []
        self.rows = 0

    def add(self, record: Record) -> bool:
        batch = decoded(self._codec, record)
        if not self._seen.setdefault(batch.source_partition, Seen()).add(batch.source_offset):
            return False
        if batch.labels:
            self._records.append(record)
            self._batches.append(batch)
            self.rows += len(batch.labels)
        return True

    def take(self, previous: int) -> pa.Table:
        records, batches = self._records, self._batches
        self._records, self._batches, self.rows = [], [], 0
        counts = np.fromiter((len(batch.labels) for batch in batches), np.int64, len(batches))
        block_at = log_time(records[0], batches[0].processed_at)
        return pa.table(_columns(batches, counts) | origin(records, counts, previous, block_at))


def decoded(codec: Codec, record: Record) -> PointsClustered:
    """Raises Undecodable, also where the arrays of a record do not fit together."""
    if record.value is None:
        raise Undecodable("value_missing", "a record of points has a value")
    batch = codec.decode(record.value, PointsClustered)
    rows = len(batch.labels)
    if len(batch.similarities) != rows or len(batch.values) != rows * batch.dimension:
        sizes = f"{rows} labels, {len(batch.similarities)} similarities, {len(batch.values)} numbers"
        raise Undecodable("shape_invalid", f"{sizes} in {batch.dimension} dimensions")
    if batch.source_partition < 0 or batch.source_offset < 0:
        raise Undecodable("position_invalid", f"source position {batch.source_partition}-{batch.source_offset}")
    return batch


def _columns(batches: list[PointsClustered], counts: NDArray[np.int64]) -> Columns:
    places = np.repeat(np.arange(len(batches), dtype=np.int32), counts)
    starts = np.cumsum(counts) - counts
    index = np.arange(len(places), dtype=np.int64) - np.repeat(starts, counts)

    def repeated(name: str) -> NDArray[np.int64]:
        return np.repeat(np.fromiter((getattr(batch, name) for batch in batches), np.int64, len(batches)), counts)

    def named(name: str) -> pa.Array:
        return texts([getattr(batch, name) for batch in batches], places)

    labels = np.concatenate([np.array(batch.labels, np.int32) for batch in batches])
    return {
        "stream": named("stream"),
        "point": pa.array(repeated("first_point") + index),
        "observed_at": moments(repeated("observed_at")),
        "processed_at": moments(repeated("processed_at")),
        "cluster_id": pa.array(labels),
        "similarity": pa.array(np.concatenate([batch.similarities for batch in batches])),
        "values": _lists(batches, counts),
        "batch_id": named("batch_id"),
        "batch_index": pa.array(index.astype(np.uint32)),
        "request_id": named("request_id"),
        "source": named("source"),
        "metadata": _maps(batches, places),
        "source_partition": pa.array(repeated("source_partition").astype(np.uint32)),
        "source_offset": pa.array(repeated("source_offset")),
    }


def _lists(batches: list[PointsClustered], counts: NDArray[np.int64]) -> pa.Array:
    dimensions = np.repeat(np.fromiter((batch.dimension for batch in batches), np.int64, len(batches)), counts)
    offsets = np.zeros(len(dimensions) + 1, np.int64)
    np.cumsum(dimensions, out=offsets[1:])
    values = np.concatenate([batch.values for batch in batches])
    return pa.LargeListArray.from_arrays(offsets, pa.array(values))


def _maps(batches: list[PointsClustered], places: NDArray[np.int32]) -> pa.Array:
    kind = pa.map_(pa.string(), pa.string())
    return pa.array([list(batch.metadata.items()) for batch in batches], kind).take(pa.array(places))


def _restore(connection: Connection, codec: Codec, topic: str, partition: int) -> PointsAssembler:
    return PointsAssembler(codec, seen_sources(connection, topic, partition, REMEMBERED))


POINTS = Target(
    CLUSTERED,
    "points",
    _restore,
    onward="stored_points",
    handed=("stream", "observed_at", "cluster_id", "similarity"),
)
