"""Points that linger for each other, so that a thousand messages a second do not become a thousand records."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from ingest_api.clustering.checks import METADATA_BYTES

LINGER_SECONDS = 0.005
MAX_LINGERING = 1000
_BRACKETS = 2


@dataclass(frozen=True, slots=True)
class Drop:
    """One point of a client, (1, D), not yet sent. `number` is that of its message on the connection."""

    number: int
    point_id: Any
    values: NDArray[np.float64]
    metadata: Mapping[str, str]


@dataclass(slots=True)
class _Pool:
    timer: asyncio.TimerHandle
    drops: list[Drop] = field(default_factory=list)
    metadata_bytes: int = _BRACKETS


class Pools:
    """Drops by stream and dimension. `pour(stream, drops)` is called in the loop, LINGER_SECONDS after the first of
    them at the latest, and before a pool holds more points or metadata than one record may."""

    def __init__(self, pour: Callable[[str, Sequence[Drop]], None]) -> None:
        self._pour = pour
        self._pools: dict[tuple[str, int], _Pool] = {}

    def __len__(self) -> int:
        return len(self._pools)

    def add(self, stream: str, drop: Drop) -> None:
        key = stream, drop.values.shape[1]
        size = len(msgspec.json.encode(drop.metadata)) + 1
        held = self._pools.get(key)
        if held is not None and held.metadata_bytes + size > METADATA_BYTES:
            self._empty(key)
        if key not in self._pools:
            timer = asyncio.get_running_loop().call_later(LINGER_SECONDS, self._empty, key)
            self._pools[key] = _Pool(timer)
        pool = self._pools[key]
        pool.drops.append(drop)
        pool.metadata_bytes += size
        if len(pool.drops) >= MAX_LINGERING:
            self._empty(key)

    def empty(self, stream: str | None = None) -> None:
        """Pours all pools now, or those of one stream."""
        for key in [key for key in self._pools if stream in (None, key[0])]:
            self._empty(key)

    def _empty(self, key: tuple[str, int]) -> None:
        pool = self._pools.pop(key)
        pool.timer.cancel()
        self._pour(key[0], pool.drops)


def together(drops: Sequence[Drop]) -> Mapping[str, str]:
    """The metadata of several points as that of one batch: itself where all agree, else a JSON list in `points`."""
    first = drops[0].metadata
    if all(drop.metadata == first for drop in drops):
        return first
    return {"points": msgspec.json.encode([drop.metadata for drop in drops]).decode()}
