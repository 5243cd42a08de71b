"""Make a learner by name, and bring one back from its bytes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from pipeline.clustering.adaptive.model import NAME as ADAPTIVE
from pipeline.clustering.adaptive.model import AdaptiveLearner, AdaptiveSettings
from pipeline.clustering.peers.learner import PeerLearner
from pipeline.clustering.peers.roster import PEERS, check_parameters
from pipeline.learning.checkpoint import SnapshotError, unpack
from pipeline.learning.learner import Learner

Parameter = bool | int | float | str

ALGORITHMS: Mapping[str, str] = MappingProxyType(
    {
        ADAPTIVE: "clusters whose number, scale and radius are learned on the way; sees drift; the default",
        **{name: peer.description for name, peer in PEERS.items()},
    }
)
"""Names a stream's learner can be chosen by, each with what it is."""

MOST_DIMENSIONS = 1000
_OWN = ("half_life", "engine")


@dataclass(frozen=True, slots=True)
class LearnerConfig:
    """How a stream is learned. `threshold`, `max_clusters` and `learning_rate` concern the adaptive learner only;
    `parameters` are its `half_life` and `engine`, or those of the River clusterer's constructor."""

    algorithm: str = ADAPTIVE
    parameters: Mapping[str, Parameter] = field(default_factory=dict)
    threshold: float = 0.71
    max_clusters: int = 30
    learning_rate: float = 0.05


def create(config: LearnerConfig, dimension: int) -> Learner:
    """A new learner of points with `dimension` coordinates.

    Raises ValueError, saying what is allowed, for an unknown algorithm, an unknown or impossible parameter, or a
    dimension outside 1..1000.
    """
    if not 1 <= dimension <= MOST_DIMENSIONS:
        raise ValueError(f"a point has 1 to {MOST_DIMENSIONS} dimensions, not {dimension}")
    if config.algorithm == ADAPTIVE:
        return AdaptiveLearner(dimension, _adaptive_settings(config))
    if config.algorithm not in PEERS:
        raise ValueError(f"unknown algorithm {config.algorithm!r}; choose one of {', '.join(ALGORITHMS)}")
    check_parameters(config.algorithm, config.parameters)
    return PeerLearner(config.algorithm, dimension, dict(config.parameters))


def _adaptive_settings(config: LearnerConfig) -> AdaptiveSettings:
    unknown = sorted(set(config.parameters) - set(_OWN))
    if unknown:
        raise ValueError(f"the adaptive learner has no parameter {unknown[0]!r}; it takes {', '.join(_OWN)}")
    own: dict[str, Any] = dict(config.parameters)
    return AdaptiveSettings(config.threshold, config.max_clusters, config.learning_rate, **own)


def restore(snapshot: bytes) -> Learner:
    """The learner the snapshot was taken of. Raises SnapshotError when there is none in it.

    An adaptive learner's bytes are read as plain data. A River clusterer's are unpickled, with only the classes such a
    clusterer consists of allowed.
    """
    name, _payload = unpack(snapshot)
    if name == ADAPTIVE:
        return AdaptiveLearner.restore(snapshot)
    if name in PEERS:
        return PeerLearner.restore(snapshot)
    raise SnapshotError(f"the snapshot is of {name!r}, which is no learner known here")
