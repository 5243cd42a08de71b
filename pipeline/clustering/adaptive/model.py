"""The adaptive learner: the contract on top of state and kernel."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.clustering.adaptive import figures, snapshot
from pipeline.clustering.adaptive.engine import engine
from pipeline.clustering.adaptive.kernel import GREATEST, TOO_GREAT
from pipeline.clustering.adaptive.search import effective_threshold, reach_of
from pipeline.clustering.adaptive.state import SIGNALS, TRACE, Alarms, Rules, State, alarms, empty, grown
from pipeline.learning.checkpoint import SnapshotError, pack, unpack
from pipeline.learning.learner import AS_CONFIGURED, Cluster, Drift, Judgement, Override, Status

NAME = "adaptive"


@dataclass(frozen=True, slots=True)
class AdaptiveSettings:
    """Settings of one adaptive learner. Raises ValueError where one is out of range."""

    threshold: float = 0.71
    """Similarity 1/sqrt(1 + (delta/rho)^2) a point needs to join a cluster, 0.1..1; .71 means within the natural
    radius rho."""
    max_clusters: int = 30
    """1..100."""
    learning_rate: float = 0.05
    """Rate at which an old centre follows its points, 0.01..0.2."""
    half_life: float = 5000.0
    """Points after which a member counts for half, at least 100."""
    engine: str = "numba"
    """`numba` or `numpy`: how the same definition is run."""

    def __post_init__(self) -> None:
        check_range("threshold", self.threshold, 0.1, 1.0)
        check_range("max_clusters", self.max_clusters, 1, 100)
        check_range("learning_rate", self.learning_rate, 0.01, 0.2)
        check_range("half_life", self.half_life, 100.0, 1e9)
        if isinstance(self.max_clusters, bool) or int(self.max_clusters) != self.max_clusters:
            raise ValueError(f"max_clusters must be a whole number, not {self.max_clusters!r}")
        engine(self.engine)


def check_range(name: str, value: float, least: float, greatest: float) -> None:
    """Raises ValueError unless `value` is a number from `least` to `greatest`."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= greatest:
        raise ValueError(f"{name} must be a number from {least:g} to {greatest:g}, not {value!r}")


class AdaptiveLearner:
    """Clusters of one stream (`pipeline.learning.learner.Learner`).

    A point joins the nearest cluster within an acceptance radius learned from the stream (`assign`, `radius`), measured
    in running standard deviations (`scale`); else it founds a candidate, which becomes a cluster when heavy enough.
    Clusters follow their points, merge and expire by count (`maintain`); abrupt change is told (`drift`). `outliers` of
    the status are the points whose group was never promoted: counted when they arrive, taken back at promotion, so that
    the figure does not depend on batches. Memory is O((max_clusters + 16 + 128) D).
    """

    def __init__(self, dimension: int, settings: AdaptiveSettings | None = None) -> None:
        if dimension < 1:
            raise ValueError(f"a point has at least one dimension, not {dimension}")
        self._settings = settings or AdaptiveSettings()
        self._engine = engine(self._settings.engine)
        self._configured = self._rules(AS_CONFIGURED)
        self._state = empty(dimension, self._settings.max_clusters)
        self._told: Sequence[Cluster] | None = None

    @property
    def name(self) -> str:
        return NAME

    @property
    def dimension(self) -> int:
        return self._state.scale.mean.size

    @property
    def settings(self) -> AdaptiveSettings:
        return self._settings

    @property
    def mean(self) -> NDArray[np.float64]:
        """(D,) the stream's running mean."""
        return self._state.scale.mean.copy()

    def learn(self, points: NDArray[np.float64], override: Override = AS_CONFIGURED) -> Judgement:
        """See `Learner.learn`. Raises ValueError also for an override out of its range."""
        rules = self._configured if override is AS_CONFIGURED else self._rules(override)
        return self._learn(self._checked(points), max(len(points), 1), rules)

    def learn_sequence(self, batches: NDArray[np.float64]) -> Judgement:
        """See `SequenceLearner.learn_sequence`."""
        if batches.ndim != 3 or not batches.shape[1]:
            raise ValueError(f"batches must be (k, n, {self.dimension}) with points in each, not {batches.shape}")
        points = self._checked(batches.reshape(-1, batches.shape[2]))
        return self._learn(points, batches.shape[1], self._configured)

    def _learn(self, points: NDArray[np.float64], size: int, rules: Rules) -> Judgement:
        self._state, self._told = grown(self._state, rules.max_clusters), None
        trace, found = np.zeros(len(points), TRACE), alarms(len(points))
        labels, similarities = np.empty(len(points), np.int64), np.empty(len(points))
        rest = (size, self._state, rules, trace, found, labels, similarities)
        raised, _stamp = self._engine.learn(points, *rest)
        if raised == TOO_GREAT:
            raised, _stamp = self._engine.learn(np.clip(points, -GREATEST, GREATEST), *rest)
        return Judgement(labels, similarities, _drifts(found, raised) if raised else ())

    def judge(self, points: NDArray[np.float64]) -> Judgement:
        points = self._checked(points)
        totals = self._state.totals[0]
        threshold = effective_threshold(self._settings.threshold, float(totals["ease"]))
        labels, similarities = np.empty(len(points), np.int64), np.empty(len(points))
        reach = reach_of(float(totals["radius"]), threshold)
        self._engine.judge(points, self._state, reach, labels, similarities)
        return Judgement(labels, similarities)

    def clusters(self) -> Sequence[Cluster]:
        # An answer, a telling and the status ask for the same clusters: they are made once until more is learned.
        if self._told is None:
            self._told = figures.clusters(self._state, self._configured)
        return self._told

    def status(self) -> Status:
        return figures.status(self._state, self._configured, self.clusters())

    def snapshot(self) -> bytes:
        return pack(NAME, snapshot.encode(self._state, dataclasses.asdict(self._settings)))

    @classmethod
    def restore(cls, data: bytes) -> AdaptiveLearner:
        """The learner that `snapshot` was taken of. Raises SnapshotError when `data` is not such a snapshot."""
        name, payload = unpack(data)
        if name != NAME:
            raise SnapshotError(f"this is a snapshot of {name!r}, not of the adaptive learner")
        state, settings = snapshot.decode(payload)
        try:
            known = AdaptiveSettings(**settings)
        except (TypeError, ValueError) as error:
            raise SnapshotError(f"the adaptive learner's snapshot holds impossible settings: {error}") from error
        return cls._from(state, known)

    @classmethod
    def _from(cls, state: State, settings: AdaptiveSettings) -> AdaptiveLearner:
        learner = cls(1, settings)
        learner._state = grown(state, settings.max_clusters)
        return learner

    def _rules(self, override: Override) -> Rules:
        asked: dict[str, Any] = {
            field.name: getattr(override, field.name)
            for field in dataclasses.fields(override)
            if getattr(override, field.name) is not None
        }
        own = dataclasses.replace(self._settings, **asked) if asked else self._settings
        return Rules(float(own.threshold), int(own.max_clusters), float(own.learning_rate), math.log(2) / own.half_life)

    def _checked(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        if points.ndim != 2 or points.shape[1] != self.dimension:
            raise ValueError(f"points must be (n, {self.dimension}), not {points.shape}")
        if points.dtype == np.float64 and points.flags.carray:
            return points
        # read-only and unaligned views are copied: each would be another type to the compiler
        return np.array(points, np.float64, order="C")


def _drifts(found: Alarms, raised: int) -> tuple[Drift, ...]:
    return tuple(
        Drift(
            at=int(alarm["at"]),
            signal=SIGNALS[alarm["signal"]],
            statistic=float(alarm["statistic"]),
            severity=float(alarm["severity"]),
            affected=tuple(int(identity) for identity in ids if identity > 0),
        )
        for alarm, ids in zip(found.rows[:raised], found.affected, strict=False)
    )
