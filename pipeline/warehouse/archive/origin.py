"""The columns every archived table has: which record of the log a row came from, in which block."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pipeline.kafka.record import Record

_MOMENT = pa.timestamp("us", tz="UTC")
_EARLIEST = 0
_LATEST = 4_291_747_199_999_999  # the end of 2105: ClickHouse's DateTime ends in 2106
Columns = dict[str, pa.Array]


def origin(records: Sequence[Record], counts: NDArray[np.int64], previous: int, block_at: int) -> Columns:
    """The columns of `counts[i]` rows from `records[i]`, all of one partition. `block_at` is in seconds."""
    rows = int(counts.sum())
    offsets = np.fromiter((record.offset for record in records), np.int64, len(records))
    return {
        "_topic": constant(records[0].topic, rows),
        "_partition": pa.array(np.full(rows, records[0].partition, np.uint32)),
        "_offset": pa.array(np.repeat(offsets, counts)),
        "_previous": pa.array(np.full(rows, previous, np.int64)),
        "_block_at": pa.array(np.full(rows, block_at, np.int64)).cast(pa.timestamp("s", tz="UTC")),
    }


def log_time(record: Record, otherwise: int) -> int:
    """When the log took the record, in seconds; `otherwise` (microseconds) where the topic keeps no such time."""
    return record.timestamp // 1000 if record.timestamp > 0 else min(max(otherwise, _EARLIEST), _LATEST) // 1_000_000


def constant(text: str, rows: int) -> pa.Array:
    return pa.DictionaryArray.from_arrays(np.zeros(rows, np.int32), pa.array([text]))


def texts(values: Sequence[str | None], places: NDArray[np.int32]) -> pa.Array:
    """`values[places[i]]` for every row i; None becomes the empty text."""
    encoded = pa.array([value or "" for value in values], pa.string()).dictionary_encode()
    return pa.DictionaryArray.from_arrays(encoded.indices.take(pa.array(places)), encoded.dictionary)


def moments(microseconds: NDArray[np.int64]) -> pa.Array:
    """Times, kept within what ClickHouse's DateTime can say: a wild one must not hold up the rest."""
    return pa.array(np.clip(microseconds, _EARLIEST, _LATEST)).cast(_MOMENT)


def maybe_moments(microseconds: Sequence[int | None]) -> pa.Array:
    kept = [None if it is None else min(max(it, _EARLIEST), _LATEST) for it in microseconds]
    return pa.array(kept, pa.int64()).cast(_MOMENT)
