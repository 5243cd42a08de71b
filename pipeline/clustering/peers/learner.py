"""A River clusterer as a learner."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.clustering.peers import pickling
from pipeline.clustering.peers.naming import recognise
from pipeline.clustering.peers.roster import PEERS, Parameter, make
from pipeline.learning.checkpoint import SnapshotError, pack, unpack
from pipeline.learning.learner import AS_CONFIGURED, OUTLIER, Cluster, Judgement, Override, Status

VERSION = 1
ROUND = 64
"""Points between two rounds of naming; earlier there is one at each power of two."""
GREATEST = 1e60
"""Coordinates are clipped to +-this, so that River's powers stay finite."""
GREATEST_SCORE = 1e6
"""The same, for standardised ones."""


@dataclass(slots=True)
class _Named:
    """A cluster with an id."""

    identity: int
    label: int
    """River's own label of it, as of the last round."""
    center: list[float]
    created: int
    updated: int
    size: int = 0


class PeerLearner:
    """Clusters of one stream by one of River's methods (`pipeline.learning.learner.Learner`).

    River renumbers clusters when it finds them anew. Here they get ids from 1 in rounds, at points 1, 2, 4, 8, 16, 32
    and every 64th: a cluster continues the one it lies nearest to (`naming.recognise`), or gets a new id once a
    point lies in it; only the k-means methods number stably themselves. One that
    appeared since the last round has none yet, and its points are outliers until the next; so are points of which River
    has no opinion. Sizes and outliers are counted in the rounds. River gives no quality, confidence, health or drift,
    so these are None; overrides have no meaning and are ignored. Counts decide and seeds are fixed.
    """

    def __init__(self, name: str, dimension: int, parameters: Mapping[str, Parameter]) -> None:
        self._name = name
        self._dimension = dimension
        self._parameters = dict(parameters)
        self._model = make(name, parameters)
        self._points = 0
        self._outliers = 0
        self._ids = 0
        self._named: list[_Named] = []
        self._waiting: list[list[float]] = []
        self._mean = np.zeros(dimension)
        self._variance = np.zeros(dimension)
        self._reading: _Reading | None = None

    @property
    def name(self) -> str:
        return self._name

    @property
    def dimension(self) -> int:
        return self._dimension

    def learn(self, points: NDArray[np.float64], override: Override = AS_CONFIGURED) -> Judgement:
        points = self._checked(points)
        for row in points:
            self._learn_one(row)
        return self.judge(points)

    def _learn_one(self, row: NDArray[np.float64]) -> None:
        self._reading = None
        self._points += 1
        t = self._points
        if PEERS[self._name].standardised:
            difference = row - self._mean
            self._mean += difference / t
            self._variance += (difference * (row - self._mean) - self._variance) / t
        x = self._seen(row)
        self._model.learn_one(dict(enumerate(x)))
        self._waiting.append(x)
        if t % ROUND == 0 or (t < ROUND and t & (t - 1) == 0):
            self._name_clusters(t)

    def _name_clusters(self, t: int) -> None:
        reading = self._reading_of(self._model)
        homes = [reading.label(x) for x in self._waiting]
        named: dict[int, _Named] = {}
        for label, center, m in zip(reading.labels, reading.centers, reading.continues, strict=True):
            if m >= 0:
                known = self._named[m]
                known.label, known.center = label, center.tolist()
                named[label] = known
            elif label in homes:
                self._ids += 1
                first = t - len(homes) + 1 + homes.index(label)
                named[label] = _Named(self._ids, label, center.tolist(), created=first, updated=first)
        for k, label in enumerate(homes):
            if label in named:
                named[label].size += 1
                named[label].updated = t - len(homes) + 1 + k
            else:
                self._outliers += 1
        self._named = sorted(named.values(), key=lambda cluster: cluster.identity)
        self._waiting = []

    def judge(self, points: NDArray[np.float64]) -> Judgement:
        points = self._checked(points)
        reading = self._read()
        seen = [self._seen(row) for row in points]
        labels = np.array([reading.identity(x) for x in seen], np.int64).reshape(len(points))
        similarities = np.array([reading.similarity(x, self._unit()) for x in seen]).reshape(len(points))
        return Judgement(labels, similarities)

    def _read(self) -> _Reading:
        # River's predict_one leaves marks in the model, so a copy is asked: how often one judges changes nothing
        if self._reading is None:
            copy = pickling.loads(pickling.dumps(self._model))
            self._reading = self._reading_of(copy)
        return self._reading

    def _reading_of(self, model: Any) -> _Reading:
        return _Reading.of(model, self._named, self._dimension, PEERS[self._name].keeps_labels, self._points)

    def _unit(self) -> float:
        """The distance that counts as similarity .71: a deviation of standardised points, River's own radius else."""
        radius = self._parameters.get("clustering_threshold", getattr(self._model, "clustering_threshold", 1.0))
        return float(radius) * (math.sqrt(self._dimension) if PEERS[self._name].standardised else 1.0)

    def clusters(self) -> Sequence[Cluster]:
        reading = self._read()
        weights = reading.weights()
        return [
            Cluster(
                cluster_id=cluster.identity,
                size=cluster.size,
                weight=weights.get(cluster.identity, float(cluster.size)),
                center=self._unscaled(reading.center_of(cluster)),
                quality=None,
                confidence=None,
                drift_coefficient=None,
                health=None,
                created=cluster.created,
                updated=cluster.updated,
            )
            for cluster in self._named
        ]

    def status(self) -> Status:
        return Status(
            points=self._points,
            outliers=self._outliers,
            active_clusters=len(self._named),
            dynamic_threshold=None,
            clustering_quality=None,
            global_stability=None,
            adaptation_rate=None,
            outlier_rate=None,
            drift_detected=False,
            drifts=0,
            last_drift=None,
        )

    def snapshot(self) -> bytes:
        kept = {
            "version": VERSION,
            "dimension": self._dimension,
            "parameters": self._parameters,
            "model": self._model,
            "points": self._points,
            "outliers": self._outliers,
            "ids": self._ids,
            "named": [asdict(cluster) for cluster in self._named],
            "waiting": self._waiting,
            "mean": self._mean.tolist(),
            "variance": self._variance.tolist(),
        }
        # once through the reader: equal models may differ in which of their strings are one object
        return pack(self._name, pickling.dumps(pickling.loads(pickling.dumps(kept))))

    @classmethod
    def restore(cls, data: bytes) -> PeerLearner:
        """The learner that `snapshot` was taken of. Raises SnapshotError when `data` is not such a snapshot."""
        name, payload = unpack(data)
        if name not in PEERS:
            raise SnapshotError(f"this is a snapshot of {name!r}, not of a River clusterer")
        kept = pickling.loads(payload)
        if not isinstance(kept, dict) or kept.get("version") != VERSION:
            raise SnapshotError(f"the snapshot of {name} is of another version than {VERSION}, which is read here")
        try:
            return cls._from(name, kept)
        except (KeyError, TypeError, ValueError) as error:
            raise SnapshotError(f"the snapshot of {name} lacks what it should hold: {error}") from error

    @classmethod
    def _from(cls, name: str, kept: dict[str, Any]) -> PeerLearner:
        learner = cls(name, int(kept["dimension"]), kept["parameters"])
        if not isinstance(kept["model"], PEERS[name].make):
            raise TypeError(f"its model is no {name}")
        learner._model = kept["model"]
        learner._points, learner._outliers, learner._ids = kept["points"], kept["outliers"], kept["ids"]
        learner._named = [_Named(**fields) for fields in kept["named"]]
        learner._waiting = kept["waiting"]
        learner._mean, learner._variance = np.array(kept["mean"]), np.array(kept["variance"])
        return learner

    def _seen(self, row: NDArray[np.float64]) -> list[float]:
        """The point as River sees it."""
        if not PEERS[self._name].standardised:
            return [float(value) for value in row]
        scores = (row - self._mean) / self._deviation()
        return [float(value) for value in np.clip(scores, -GREATEST_SCORE, GREATEST_SCORE)]

    def _unscaled(self, center: NDArray[np.float64]) -> NDArray[np.float64]:
        return center * self._deviation() + self._mean if PEERS[self._name].standardised else center

    def _deviation(self) -> NDArray[np.float64]:
        return np.where(self._variance > 0.0, np.sqrt(self._variance), 1.0)

    def _checked(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        if points.ndim != 2 or points.shape[1] != self._dimension:
            raise ValueError(f"points must be (n, {self._dimension}), not {points.shape}")
        return np.clip(points, -GREATEST, GREATEST)


@dataclass(slots=True)
class _Reading:
    """River's clusters at one moment."""

    model: Any
    named: list[_Named]
    labels: list[int]
    centers: NDArray[np.float64]
    """(k, D), in River's units."""
    continues: list[int]
    """For each of them, the row of `named` it continues, or -1."""

    @classmethod
    def of(cls, model: Any, named: list[_Named], dimension: int, by_label: bool, seen: int) -> _Reading:
        centers = _centers_of(model) if seen else {}
        labels = sorted(centers)
        places = np.array([[centers[label].get(j, 0.0) for j in range(dimension)] for label in labels])
        places = places.reshape(len(labels), dimension)
        known = np.array([cluster.center for cluster in named]).reshape(len(named), dimension)
        if by_label:
            rows = {cluster.label: row for row, cluster in enumerate(named)}
            return cls(model, named, labels, places, [rows.get(label, -1) for label in labels])
        return cls(model, named, labels, places, recognise(places, known))

    def label(self, x: list[float]) -> int:
        """River's label of the point, -1 where it has none."""
        return int(self.model.predict_one(dict(enumerate(x)))) if self.labels else OUTLIER

    def identity(self, x: list[float]) -> int:
        label = self.label(x)
        row = self.continues[self.labels.index(label)] if label in self.labels else -1
        return self.named[row].identity if row >= 0 else OUTLIER

    def similarity(self, x: list[float], unit: float) -> float:
        """1 / sqrt(1 + (distance / unit)^2) to the nearest centre, 0 where there is none."""
        if not self.labels:
            return 0.0
        return 1.0 / math.sqrt(1.0 + float(((self.centers - x) ** 2).sum(1).min()) / (unit * unit))

    def center_of(self, cluster: _Named) -> NDArray[np.float64]:
        row = self.named.index(cluster)
        return self.centers[self.continues.index(row)] if row in self.continues else np.array(cluster.center)

    def weights(self) -> dict[int, float]:
        """River's decayed weights by id, of the methods that keep some."""
        held = getattr(self.model, "clusters", {})
        told = {}
        for label, row in zip(self.labels, self.continues, strict=True):
            weight = getattr(held.get(label), "weight", None)
            if row >= 0 and weight is not None:
                told[self.named[row].identity] = float(weight)
        return told


def _centers_of(model: Any) -> dict[int, dict[int, float]]:
    """River's clusters by its own labels, {} while there are none. DenStream forms them when asked for a label only."""
    if hasattr(model, "p_micro_clusters"):
        if not model.initialized or not model.p_micro_clusters:
            return {}
        model.predict_one(dict(next(iter(model.p_micro_clusters.values())).center))
    return dict(model.centers)
