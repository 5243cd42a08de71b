"""A run's records parted by key, so that many of one key can be taken at once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from pipeline.received import ReceivedAlike
from pipeline.step import AlikeStep
from schemas.alike import decode_alike
from schemas.codec import Codec, Undecodable
from schemas.exchange import REPLY_PARTITION_HEADER, REQUEST_ID_HEADER

WORTHWHILE = 8
"""Records of one key for which a matrix is cheaper than one by one."""
SMALL = 4096
"""Bytes of a value beyond which a record costs more than its overhead."""
_ANSWERED = frozenset((REQUEST_ID_HEADER, REPLY_PARTITION_HEADER))


def gather(records: Sequence[Any]) -> Iterator[Sequence[Any]]:
    """aiokafka's records in pieces: each of one key and in order, either `WORTHWHILE` ones of one size that nobody
    waits for, or any. What a key's records do concerns its state alone, so that keys may change places."""
    if len(records) < WORTHWHILE:
        yield records
        return
    by_key: dict[bytes | None, list[Any]] = {}
    for record in records:
        held = by_key.get(record.key)
        if held is None:
            by_key[record.key] = [record]
        else:
            held.append(record)
    for of_key in by_key.values():
        yield from _even(of_key) if len(of_key) >= WORTHWHILE else (of_key,)


def _even(records: Sequence[Any]) -> Iterator[Sequence[Any]]:
    piece: list[Any] = []
    size = -1
    for record in records:
        one = _size(record)
        if one != size and piece:
            yield piece
            piece = []
        size = one
        piece.append(record)
    yield piece


def _size(record: Any) -> int:
    """-1 for what must come alone."""
    value = record.value
    if value is None or len(value) > SMALL or any(name in _ANSWERED for name, _ in record.headers):
        return -1
    return len(value)


def take_in_alike(records: Sequence[Any], step: AlikeStep[Any, Any], codec: Codec) -> ReceivedAlike[Any] | None:
    """The piece decoded at once; None if it must be taken one by one."""
    if len(records) < WORTHWHILE or _size(records[0]) < 0:
        return None
    try:
        alike = decode_alike(codec, [record.value for record in records], step.kind, step.numbers)
    except Undecodable:
        return None
    if alike is None:
        return None
    offsets = np.array([record.offset for record in records], np.int64)
    timestamps = np.array([record.timestamp for record in records], np.int64) * 1000
    return ReceivedAlike(alike, int(records[0].partition), offsets, timestamps)
