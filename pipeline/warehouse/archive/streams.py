"""clusters.updated.v1 into `stream_history`: a row a record, its clusters as arrays within."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from pipeline.kafka.record import Record
from pipeline.warehouse.archive.assembler import Target
from pipeline.warehouse.archive.origin import Columns, log_time, maybe_moments, origin
from pipeline.warehouse.archive.restore import LastUpdate, last_updates
from pipeline.warehouse.connection import Connection
from schemas.clustering.clusters import Cluster, ClustersUpdated, WorkerFigures
from schemas.clustering.topics import CLUSTERS
from schemas.codec import Codec, Undecodable

_NOBODY = WorkerFigures("", 0, 0, 0, 0, None, None, None, None, None, None)
UNKNOWN = -1
"""The source offset of a deletion that names none: whatever follows is beyond it."""
_KINDS: dict[str, pa.DataType] = {
    "cluster_id": pa.int32(),
    "size": pa.int64(),
    "weight": pa.float64(),
    "quality": pa.float64(),
    "confidence": pa.float64(),
    "health": pa.string(),
    "drift_coefficient": pa.float64(),
    "created_at": pa.int64(),
    "updated_at": pa.int64(),
    "changed": pa.bool_(),
}
_FIGURES: dict[str, pa.DataType] = {
    "algorithm": pa.string(),
    "dimension": pa.uint16(),
    "points": pa.int64(),
    "batches": pa.int64(),
    "outliers": pa.int64(),
    "refused": pa.int64(),
    "dynamic_threshold": pa.float64(),
    "clustering_quality": pa.float64(),
    "global_stability": pa.float64(),
    "adaptation_rate": pa.float64(),
    "outlier_rate": pa.float64(),
    "drift_detected": pa.bool_(),
    "drifts": pa.int64(),
    "source_partition": pa.uint32(),
    "source_offset": pa.int64(),
}
_WORKER: dict[str, tuple[str, pa.DataType]] = {
    "worker": ("worker", pa.string()),
    "worker_memory": ("memory_bytes", pa.int64()),
    "worker_batches": ("batches", pa.int64()),
    "worker_points": ("points", pa.int64()),
} | {name: (name, pa.float64()) for name in ("last_ms", "mean_ms", "max_ms", "p50_ms", "p95_ms", "p99_ms")}


class StreamsAssembler:
    """See Assembler. An update or a tombstone is a repetition, or older than what is stored, when its source offset is
    not beyond that of its stream's last row. Of tombstones that name no source, one that follows another is dropped,
    and after one everything is new."""

    def __init__(self, codec: Codec, last: dict[str, LastUpdate]) -> None:
        self._codec, self._last = codec, last
        self._records: list[Record] = []
        self._updates: list[ClustersUpdated | None] = []
        self.rows = 0

    def add(self, record: Record) -> bool:
        update = None if record.value is None else decoded(self._codec, record)
        stream = _stream(record, update)
        source = _source_offset(record, update)
        last = self._last.get(stream)
        if update is None and (last is None or (source == UNKNOWN and last.deleted)):
            return False
        if last is not None and source != UNKNOWN and source <= last.source_offset:
            return False
        self._last[stream] = LastUpdate(source, deleted=update is None)
        self._records.append(record)
        self._updates.append(update)
        self.rows += 1
        return True

    def take(self, previous: int) -> pa.Table:
        records, updates = self._records, self._updates
        self._records, self._updates, self.rows = [], [], 0
        kept = [update or _deletion(record) for record, update in zip(records, updates, strict=True)]
        block_at = log_time(records[0], kept[0].updated_at)
        deleted = {"deleted": pa.array([update is None for update in updates])}
        ones = np.ones(len(records), np.int64)
        return pa.table(_columns(kept) | deleted | origin(records, ones, previous, block_at))


def decoded(codec: Codec, record: Record) -> ClustersUpdated:
    """Raises Undecodable, also where there are not as many centres as clusters."""
    update = codec.decode(record.value or b"", ClustersUpdated)
    if len(update.centers) != len(update.clusters) * update.dimension:
        sizes = f"{len(update.centers)} numbers, {len(update.clusters)} clusters, {update.dimension} dimensions"
        raise Undecodable("shape_invalid", f"the centres do not fit: {sizes}")
    if update.source_partition < 0 or not 0 <= update.dimension < 1 << 16:
        raise Undecodable("value_invalid", "a negative partition, or a dimension beyond 65535")
    return update


def _stream(record: Record, update: ClustersUpdated | None) -> str:
    return (record.key or b"").decode("utf-8", "replace") if update is None else update.stream


def _source_offset(record: Record, update: ClustersUpdated | None) -> int:
    if update is not None:
        return update.source_offset
    return UNKNOWN if record.source is None else record.source.offset


def _deletion(record: Record) -> ClustersUpdated:
    at = max(record.timestamp, 0) * 1000
    return ClustersUpdated(
        stream=_stream(record, None),
        source_partition=record.partition,
        source_offset=_source_offset(record, None),
        updated_at=at,
        created_at=at,
        algorithm="",
        dimension=0,
        points=0,
        batches=0,
        outliers=0,
        refused=0,
        dynamic_threshold=None,
        clustering_quality=None,
        global_stability=None,
        adaptation_rate=None,
        outlier_rate=None,
        drift_detected=False,
        drifts=0,
        last_drift_at=None,
        worker=_NOBODY,
        clusters=[],
        centers=np.empty(0),
    )


def _columns(updates: list[ClustersUpdated]) -> Columns:
    columns = {
        "stream": pa.array([update.stream for update in updates]),
        "updated_at": maybe_moments([update.updated_at for update in updates]),
        "created_at": maybe_moments([update.created_at for update in updates]),
        "last_drift_at": maybe_moments([update.last_drift_at for update in updates]),
        "worker_started_at": maybe_moments([update.worker.started_at for update in updates]),
    }
    columns |= {name: _all(updates, name, kind) for name, kind in _FIGURES.items()}
    workers = [update.worker for update in updates]
    columns |= {name: _all(workers, theirs, kind) for name, (theirs, kind) in _WORKER.items()}
    return columns | _clusters(updates)


def _all(things: Sequence[object], name: str, kind: pa.DataType) -> pa.Array:
    return pa.array([getattr(thing, name) for thing in things], kind)


def _clusters(updates: list[ClustersUpdated]) -> Columns:
    ends = np.cumsum([0, *(len(update.clusters) for update in updates)]).astype(np.int32)
    every = [cluster for update in updates for cluster in update.clusters]

    def folded(items: pa.Array) -> pa.Array:
        return pa.ListArray.from_arrays(pa.array(ends), items)

    columns = {f"clusters.{name}": folded(_field(every, name, kind)) for name, kind in _KINDS.items()}
    dimensions = [update.dimension for update in updates for _ in update.clusters]
    bounds = np.cumsum([0, *dimensions]).astype(np.int32)
    numbers = pa.array(np.concatenate([update.centers for update in updates]))
    columns["clusters.center"] = folded(pa.ListArray.from_arrays(pa.array(bounds), numbers))
    return columns


def _field(clusters: Iterable[Cluster], name: str, kind: pa.DataType) -> pa.Array:
    values: list[Any] = [getattr(cluster, name) for cluster in clusters]
    read: Callable[[list[Any]], pa.Array] = maybe_moments if name.endswith("_at") else lambda it: pa.array(it, kind)
    return read(values)


def _restore(connection: Connection, codec: Codec, topic: str, partition: int) -> StreamsAssembler:
    return StreamsAssembler(codec, last_updates(connection, topic, partition))


STREAMS = Target(CLUSTERS, "stream_history", _restore, onward="stored_streams")
