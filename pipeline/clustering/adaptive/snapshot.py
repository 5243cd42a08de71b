"""The adaptive learner's state as bytes: a table of contents in JSON, then the arrays. Nothing in it is executed."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.clustering.adaptive.state import (
    CANDIDATE,
    CANDIDATES,
    DETECTOR,
    FREE,
    PROMOTED,
    RESERVOIR,
    SIGNALS,
    SLOT,
    TOTALS,
    Scale,
    State,
    lookup_of,
)
from pipeline.learning.checkpoint import SnapshotError

VERSION = 1
_KINDS = (CANDIDATE, PROMOTED)
_MOST = 1 << 16
"""Dimensions or slots that a snapshot may claim."""


def encode(state: State, settings: dict[str, Any]) -> bytes:
    """Little-endian: u32 length of the JSON, the JSON (version, settings, dimension, slots, occupied slots), totals,
    detectors, the scale, the reservoir's filled rows, then slots,
    centres and anchors of the occupied slots."""
    occupied = np.flatnonzero(state.slots["kind"] != FREE)
    contents = {
        "version": VERSION,
        "settings": settings,
        "dimension": state.scale.mean.size,
        "slots": state.slots.size,
        "occupied": occupied.tolist(),
    }
    head = json.dumps(contents, sort_keys=True, separators=(",", ":")).encode()
    filled = state.reservoir[: min(int(state.totals[0]["sampled"]), RESERVOIR)]
    arrays = [state.totals, state.detectors, *state.scale, filled]
    arrays += [state.slots[occupied], state.center[occupied], state.anchor[occupied]]
    return b"".join([len(head).to_bytes(4, "little"), head, *(array.tobytes() for array in arrays)])


def decode(payload: bytes) -> tuple[State, dict[str, Any]]:
    """The state and settings that `encode` was given. Raises SnapshotError for anything else."""
    start = 4 + int.from_bytes(payload[:4], "little")
    try:
        contents = json.loads(payload[4:start])
        version, settings = contents["version"], contents["settings"]
        dimension, rows = int(contents["dimension"]), int(contents["slots"])
        occupied = np.array(contents["occupied"], np.int64)
    except (ValueError, KeyError, TypeError, OverflowError) as error:
        raise SnapshotError("the adaptive learner's snapshot has no readable table of contents") from error
    if version != VERSION:
        raise SnapshotError(f"adaptive snapshot version {version} is not readable here; this version reads {VERSION}")
    if not (0 < dimension <= _MOST and CANDIDATES < rows <= _MOST and isinstance(settings, dict)):
        raise SnapshotError("the adaptive learner's snapshot claims an impossible size")
    if occupied.ndim != 1 or len(np.unique(occupied)) != len(occupied) or ((occupied < 0) | (occupied >= rows)).any():
        raise SnapshotError("the adaptive learner's snapshot names slots it does not have")
    return _read(_Cursor(payload, start), dimension, rows, occupied), settings


def _read(cursor: _Cursor, dimension: int, rows: int, occupied: NDArray[np.int64]) -> State:
    totals = cursor.take(TOTALS, 1)
    detectors = cursor.take(DETECTOR, len(SIGNALS))
    scale = Scale(*(cursor.take(np.dtype("<f8"), dimension) for _ in Scale._fields))
    filled = min(max(int(totals[0]["sampled"]), 0), RESERVOIR)
    reservoir = np.zeros((RESERVOIR, dimension))
    reservoir[:filled] = cursor.take(np.dtype("<f8"), filled, dimension)
    slots, center, anchor = np.zeros(rows, SLOT), np.zeros((rows, dimension)), np.zeros((rows, dimension))
    slots[occupied] = cursor.take(SLOT, len(occupied))
    center[occupied] = cursor.take(np.dtype("<f8"), len(occupied), dimension)
    anchor[occupied] = cursor.take(np.dtype("<f8"), len(occupied), dimension)
    cursor.finish()
    used = int(totals[0]["used"])
    if not (0 <= used <= rows and (occupied < used).all() and np.isin(slots["kind"][occupied], _KINDS).all()):
        raise SnapshotError("the adaptive learner's snapshot contradicts itself about its slots")
    return State(totals, detectors, slots, center, anchor, scale, reservoir, lookup_of(rows, dimension))


class _Cursor:
    """Reads arrays off the payload, one after the other."""

    def __init__(self, payload: bytes, start: int) -> None:
        self._payload = payload
        self._at = start

    def take(self, dtype: np.dtype[Any], *shape: int) -> NDArray[Any]:
        size = math.prod(shape) * dtype.itemsize
        if self._at + size > len(self._payload):
            raise SnapshotError("the adaptive learner's snapshot ends early")
        array = np.frombuffer(self._payload, dtype, math.prod(shape), self._at).reshape(shape).copy()
        self._at += size
        return array

    def finish(self) -> None:
        if self._at != len(self._payload):
            raise SnapshotError("the adaptive learner's snapshot goes on after its end")
