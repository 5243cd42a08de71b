"""drift.detected.v1 into `drifts`: a row a record."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from pipeline.kafka.record import Record
from pipeline.warehouse.archive.assembler import Target
from pipeline.warehouse.archive.origin import Columns, log_time, moments, origin
from pipeline.warehouse.archive.restore import seen_drifts
from pipeline.warehouse.connection import Connection
from pipeline.warehouse.seen import Seen
from schemas.clustering.clusters import DriftDetected
from schemas.clustering.topics import DRIFT
from schemas.codec import Codec, Undecodable

ORDINALS = 1 << 16
"""A drift's number in `Seen` is source offset × ORDINALS + ordinal."""
REMEMBERED = 50_000


class DriftsAssembler:
    """See Assembler. A repetition is known by its source position and ordinal."""

    def __init__(self, codec: Codec, seen: dict[int, Seen]) -> None:
        self._codec, self._seen = codec, seen
        self._records: list[Record] = []
        self._drifts: list[DriftDetected] = []
        self.rows = 0

    def add(self, record: Record) -> bool:
        if record.value is None:
            raise Undecodable("value_missing", "a drift has a value")
        drift = self._codec.decode(record.value, DriftDetected)
        if drift.source_partition < 0 or drift.source_offset < 0 or not 0 <= drift.ordinal < ORDINALS:
            place = f"{drift.source_partition}-{drift.source_offset}"
            raise Undecodable("position_invalid", f"drift {drift.ordinal} of source position {place}")
        number = drift.source_offset * ORDINALS + drift.ordinal
        if not self._seen.setdefault(drift.source_partition, Seen()).add(number):
            return False
        self._records.append(record)
        self._drifts.append(drift)
        self.rows += 1
        return True

    def take(self, previous: int) -> pa.Table:
        records, drifts = self._records, self._drifts
        self._records, self._drifts, self.rows = [], [], 0
        block_at = log_time(records[0], drifts[0].detected_at)
        return pa.table(_columns(drifts) | origin(records, np.ones(len(records), np.int64), previous, block_at))


def _columns(drifts: list[DriftDetected]) -> Columns:
    def all_of(name: str, kind: pa.DataType) -> pa.Array:
        return pa.array([getattr(drift, name) for drift in drifts], kind)

    return {
        "stream": all_of("stream", pa.string()),
        "detected_at": moments(np.array([drift.detected_at for drift in drifts], np.int64)),
        "at_point": all_of("at_point", pa.int64()),
        "signal": all_of("signal", pa.string()),
        "statistic": all_of("statistic", pa.float64()),
        "severity": all_of("severity", pa.float64()),
        "affected_clusters": all_of("affected_clusters", pa.list_(pa.int32())),
        "recommendation": all_of("recommendation", pa.string()),
        "source_partition": all_of("source_partition", pa.uint32()),
        "source_offset": all_of("source_offset", pa.int64()),
        "ordinal": all_of("ordinal", pa.uint32()),
    }


def _restore(connection: Connection, codec: Codec, topic: str, partition: int) -> DriftsAssembler:
    return DriftsAssembler(codec, seen_drifts(connection, topic, partition, ORDINALS, REMEMBERED))


DRIFTS = Target(DRIFT, "drifts", _restore)
