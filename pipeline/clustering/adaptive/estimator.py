"""The adaptive learner as a River clusterer, for River's pipelines and metrics."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from river import base

from pipeline.clustering.adaptive.model import AdaptiveLearner, AdaptiveSettings
from pipeline.learning.learner import OUTLIER


class AdaptiveClusterer(base.Clusterer):
    """Clusters whose number, scale and radius are learned on the way (see `AdaptiveLearner`).

    The features of the first point, sorted by name, are the dimensions. A feature missing later counts as the stream's
    mean, one never seen in the first point is ignored: River's convention that features may come and go.

    Parameters
    ----------
    threshold
        Similarity a point needs to join a cluster, 0.1 to 1.
    max_clusters
        Clusters held at most, 1 to 100.
    learning_rate
        Rate at which centres follow their points, 0.01 to 0.2.
    half_life
        Points after which a member counts for half.
    engine
        `numba` or `numpy`.

    Examples
    --------

    >>> clusterer = AdaptiveClusterer(engine="numpy")
    >>> for x in ({"a": 1, "b": 2}, {"a": 1.1, "b": 2.1}, {"a": 9, "b": 0}):
    ...     clusterer.learn_one(x)
    >>> clusterer.predict_one({"a": 1.05, "b": 2.05})
    1

    """

    def __init__(
        self,
        threshold: float = 0.71,
        max_clusters: int = 30,
        learning_rate: float = 0.05,
        half_life: float = 5000.0,
        engine: str = "numba",
    ) -> None:
        self.threshold = threshold
        self.max_clusters = max_clusters
        self.learning_rate = learning_rate
        self.half_life = half_life
        self.engine = engine
        self._features: list[Any] = []
        self._learner: AdaptiveLearner | None = None
        AdaptiveSettings(threshold, max_clusters, learning_rate, half_life, engine)

    def learn_one(self, x: dict[Any, Any]) -> None:
        """Learn one point. A point without any feature at the start is passed over."""
        if not self._features:
            self._features = sorted(x, key=str)
        if self._features:
            self._row_learner().learn(self._row(x))

    def predict_one(self, x: dict[Any, Any]) -> int:
        """The id of the cluster the point lies in, -1 where there is none."""
        if self._learner is None:
            return OUTLIER
        return int(self._learner.judge(self._row(x)).labels[0])

    def learn_many(self, points: NDArray[np.float64]) -> NDArray[np.int64]:
        """Learn the rows of (n, D) in order; returns their labels (n,) as the model stands after the last."""
        self._name_columns(points)
        return self._row_learner().learn(points).labels

    def predict_many(self, points: NDArray[np.float64]) -> NDArray[np.int64]:
        """The labels (n,) of the rows of (n, D)."""
        if self._learner is None:
            return np.full(len(points), OUTLIER)
        return self._learner.judge(points).labels

    @property
    def learner(self) -> AdaptiveLearner | None:
        """The learner inside, `None` before the first point."""
        return self._learner

    def _name_columns(self, points: NDArray[np.float64]) -> None:
        if not self._features:
            self._features = list(range(points.shape[1]))

    def _row_learner(self) -> AdaptiveLearner:
        if self._learner is None:
            settings = AdaptiveSettings(
                self.threshold, self.max_clusters, self.learning_rate, self.half_life, self.engine
            )
            self._learner = AdaptiveLearner(len(self._features), settings)
        return self._learner

    def _row(self, x: dict[Any, Any]) -> NDArray[np.float64]:
        means = self._learner.mean if self._learner is not None else np.zeros(len(self._features))
        return np.array([[float(x.get(name, mean)) for name, mean in zip(self._features, means, strict=True)]])
