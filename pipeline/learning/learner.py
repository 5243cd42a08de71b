"""The contract of a learner: what it takes, what it answers, and what it tells about itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

OUTLIER = -1
"""The label of a point that belongs to no promoted cluster."""


@dataclass(frozen=True, slots=True)
class Override:
    """What one batch wishes differently; `None` keeps the stream's own value.

    Overrides are not sticky: they hold for the one call of `learn` they are given to.
    A learner without such a setting ignores it.
    """

    threshold: float | None = None
    """Similarity a point needs to join a cluster, 0.1..1.0."""
    max_clusters: int | None = None
    """Promoted clusters the model may hold, 1..100."""
    learning_rate: float | None = None
    """How fast centres follow their points, 0.01..0.2."""


AS_CONFIGURED = Override()
"""No override at all."""


@dataclass(frozen=True, slots=True)
class Drift:
    """A change of the stream, seen while learning."""

    at: int
    """1-based number of the stream's point at which it was seen."""
    signal: str
    """Which detector saw it: `outliers` (more points fit no cluster) or `fit` (points sit oddly in their clusters)."""
    statistic: float
    """What the detector had summed up, in its own unit."""
    severity: float
    """0..1, how much of the recent traffic the change concerns."""
    affected: tuple[int, ...]
    """Ids of the clusters most concerned, the worst first; may be empty."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """What a batch's points are, as the model stands at the end of the batch."""

    labels: NDArray[np.int64]
    """(n,) cluster id, or -1 for an outlier."""
    similarities: NDArray[np.float64]
    """(n,) 0..1: to the centre of the point's cluster, for an outlier to the nearest one; 0 where there is none."""
    drifts: tuple[Drift, ...] = ()


@dataclass(frozen=True, slots=True)
class Cluster:
    """One promoted cluster. Figures a learner cannot give are `None`, never made up."""

    cluster_id: int
    """From 1, never reused for another cluster."""
    size: int
    """Points it has taken in so far."""
    weight: float
    """The same, older points counting less."""
    center: NDArray[np.float64]
    """(D,) learned centroid, in the units of the stream."""
    quality: float | None
    """0..1."""
    confidence: float | None
    """0..1."""
    drift_coefficient: float | None
    """0..1, how far the centre has moved lately."""
    health: str | None
    """`healthy`, `warning` or `critical`."""
    created: int
    """Number of the point (1-based) that founded it."""
    updated: int
    """Number of the point (1-based) that joined it last."""


@dataclass(frozen=True, slots=True)
class Status:
    """The whole model's figures. Those a learner cannot give are `None`."""

    points: int
    """Points learned."""
    outliers: int
    """Points that, as far as is known now, belong to no promoted cluster (see the learner for when it is counted)."""
    active_clusters: int
    dynamic_threshold: float | None
    clustering_quality: float | None
    global_stability: float | None
    adaptation_rate: float | None
    outlier_rate: float | None
    """Share of outliers among the recent points, 0..1."""
    drift_detected: bool
    """Whether a drift was seen within the last thousand points."""
    drifts: int
    last_drift: int | None
    """Number of the point at which the last drift was seen."""


@runtime_checkable
class Learner(Protocol):
    """A model of one stream.

    Points are C-contiguous float64 (n, D) and finite; the caller has checked that. The same points in the same order
    give the same state, whatever the batches they come in, as long as the overrides are the same.
    """

    @property
    def name(self) -> str:
        """What the learner is chosen by: `adaptive`, `river.DBSTREAM`, ..."""

    @property
    def dimension(self) -> int:
        """D, fixed when the learner is made."""

    def learn(self, points: NDArray[np.float64], override: Override = AS_CONFIGURED) -> Judgement:
        """Take the points in, in order, and judge them by the model that results.

        Raises ValueError when `points` is not (n, D).
        """

    def judge(self, points: NDArray[np.float64]) -> Judgement:
        """Label the points by the model as it is. Changes nothing."""

    def clusters(self) -> Sequence[Cluster]:
        """The promoted clusters, ids ascending."""

    def status(self) -> Status: ...

    def snapshot(self) -> bytes:
        """The whole model as versioned bytes; equal models give equal bytes."""


@runtime_checkable
class SequenceLearner(Learner, Protocol):
    """A learner that takes many small batches in one call, for which a call each would cost more than the learning."""

    def learn_sequence(self, batches: NDArray[np.float64]) -> Judgement:
        """(k, n, D) batches, as k calls of `learn` as configured would take and judge them, in one judgement of k * n
        points. Raises ValueError for another shape, with nothing learned; it cannot fail in the middle."""
