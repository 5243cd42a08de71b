"""What the clustering street remembers of a stream."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass, field

import msgspec
import numpy as np
from numpy.typing import NDArray

from pipeline.clustering.choose import LearnerConfig, restore
from pipeline.errors import Broken
from pipeline.learning.checkpoint import SnapshotError
from pipeline.learning.learner import Learner

VERSION = 1
MAX_RECENT = 1024
"""Batch ids a stream remembers: a retry within so many batches counts once."""
UNKNOWN_BODY = bytes(8)
"""Of a batch that was learned before bodies were remembered."""
MAX_BIRTHS = 512
"""Clusters whose first and last times a stream remembers."""


class _Kept(msgspec.Struct, array_like=True):
    """The snapshot's form, in MessagePack."""

    version: int
    config: LearnerConfig | None
    learner: bytes | None
    created_at: int
    points: int
    batches: int
    refused: int
    last_drift_at: int | None
    forfeited: str | None
    births: dict[int, tuple[int, int]]
    recent: bytes
    bodies: bytes = b""


@dataclass(slots=True)
class StreamState:
    """One stream's model and the little around it. The fields below `told_at` are not kept: they say what subscribers
    have been told, and telling them again after a crash is harmless."""

    config: LearnerConfig | None = None
    learner: Learner | None = None
    created_at: int = 0
    points: int = 0
    batches: int = 0
    refused: int = 0
    last_drift_at: int | None = None
    forfeited: str | None = None
    """Why there is no model any more; a reset clears it."""
    births: dict[int, tuple[int, int]] = field(default_factory=dict)
    """Cluster id -> log time of the batch that first and last put a point into it, microseconds;
    the longest untouched first. See `lifetime`."""
    recent: OrderedDict[bytes, bytes] = field(default_factory=OrderedDict)
    """Digests of batch ids -> of what they asked for; the oldest first."""

    told_at: int = 0
    owing: bool = False
    changed: set[int] = field(default_factory=set)
    stream: str = ""
    partition: int = 0
    offset: int = 0

    @property
    def exists(self) -> bool:
        """Whether the stream has ever begun: refused records alone do not make one."""
        return self.config is not None

    def reach(self, stream: str, partition: int, offset: int) -> None:
        """The record there is being applied."""
        self.stream, self.partition, self.offset = stream, partition, offset
        self.owing = True

    def forget(self) -> None:
        """The model goes, the configuration stays."""
        self.learner, self.forfeited, self.last_drift_at = None, None, None
        self.created_at = self.points = self.batches = self.refused = 0
        self.births.clear()
        self.recent.clear()
        self.changed.clear()

    def body_of(self, batch_id: str) -> bytes | None:
        """What the batch of that id asked for, as `see` was told; None where the id is not among the recent ones."""
        return self.recent.get(_digest(batch_id))

    def see(self, batch_id: str, body: bytes) -> None:
        """The batch has been learned. `body`: 8 bytes that are others for whatever else it might have asked for."""
        self.recent[_digest(batch_id)] = body
        if len(self.recent) > MAX_RECENT:
            self.recent.popitem(last=False)

    def touch(self, cluster_ids: Iterable[int], at: int) -> None:
        """These clusters took in points of a batch of that time."""
        for cluster_id in cluster_ids:
            born = self.births.pop(cluster_id, (at, at))[0]
            self.births[cluster_id] = born, at
            self.changed.add(cluster_id)
        # By recency and not by what is alive: when one looks must not matter to the state.
        while len(self.births) > MAX_BIRTHS:
            del self.births[next(iter(self.births))]

    def touch_each(self, labels: NDArray[np.int64], at: NDArray[np.int64]) -> None:
        """`touch` for each row of (n, m) labels, negative ones left out, by the (n,) times, in order."""
        found, firsts = np.unique(labels, return_index=True)
        lasts = dict(zip(*_last_rows(labels), strict=True))
        if len(self.births) + len(found) > MAX_BIRTHS:
            for row, moment in zip(labels, at.tolist(), strict=True):
                self.touch((label for label in np.unique(row).tolist() if label >= 0), moment)
            return
        rows = {label: index // labels.shape[1] for label, index in zip(found.tolist(), firsts.tolist(), strict=True)}
        for label in sorted(lasts, key=lambda label: (lasts[label], label)):
            if label >= 0:
                born = self.births.pop(label, (int(at[rows[label]]), 0))[0]
                self.births[label] = born, int(at[lasts[label]])
                self.changed.add(label)

    def lifetime(self, cluster_id: int) -> tuple[int, int]:
        """When the cluster took in its first and its last point; the stream's own beginning where that is not
        known."""
        return self.births.get(cluster_id, (self.created_at, self.created_at))


def _last_rows(labels: NDArray[np.int64]) -> tuple[list[int], list[int]]:
    """Each label and the last row that holds it."""
    found, from_end = np.unique(labels[::-1], return_index=True)
    return found.tolist(), (len(labels) - 1 - from_end // labels.shape[1]).tolist()


def _digest(batch_id: str) -> bytes:
    return hashlib.blake2b(batch_id.encode(), digest_size=8).digest()


def to_bytes(state: StreamState) -> bytes:
    """Equal states give equal bytes."""
    kept = _Kept(
        VERSION,
        state.config,
        None if state.learner is None else state.learner.snapshot(),
        state.created_at,
        state.points,
        state.batches,
        state.refused,
        state.last_drift_at,
        state.forfeited,
        state.births,
        b"".join(state.recent),
        b"".join(state.recent.values()),
    )
    return msgspec.msgpack.encode(kept)


def begins(snapshot: bytes) -> bool:
    """Whether its stream exists. Raises Broken as `from_bytes` does."""
    return _kept(snapshot).config is not None


def from_bytes(snapshot: bytes | None) -> StreamState:
    """Raises Broken for bytes that are no snapshot of a version known here."""
    if snapshot is None:
        return StreamState()
    kept = _kept(snapshot)
    try:
        learner = None if kept.learner is None else restore(kept.learner)
    except SnapshotError as error:
        raise Broken(f"a stream's snapshot cannot be read: {error}") from error
    # Older snapshots know ids alone.
    bodies = kept.bodies or UNKNOWN_BODY * (len(kept.recent) // 8)
    recent = OrderedDict((kept.recent[at : at + 8], bodies[at : at + 8]) for at in range(0, len(kept.recent), 8))
    return StreamState(
        kept.config,
        learner,
        kept.created_at,
        kept.points,
        kept.batches,
        kept.refused,
        kept.last_drift_at,
        kept.forfeited,
        kept.births,
        recent,
    )


def _kept(snapshot: bytes) -> _Kept:
    try:
        kept = msgspec.msgpack.decode(snapshot, type=_Kept)
    except msgspec.DecodeError as error:
        raise Broken(f"a stream's snapshot cannot be read: {error}") from error
    if kept.version != VERSION:
        raise Broken(f"a stream's snapshot is of version {kept.version}, this code reads {VERSION}")
    return kept
