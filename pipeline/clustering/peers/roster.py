"""Which River clusterers a stream may be learned by, and what their parameters are."""

from __future__ import annotations

import inspect
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from river import cluster

Parameter = bool | int | float | str


@dataclass(frozen=True, slots=True)
class Peer:
    make: type[Any]
    description: str
    keeps_labels: bool = False
    """Whether its own numbering is stable, so that a cluster is recognised by its label rather than its place."""
    standardised: bool = False
    """Whether it learns points in running standard deviations rather than as they come."""
    passed_on: tuple[str, ...] = ()
    """Parameters taken by `**kwargs`: those of River's KMeans inside."""
    defaults: Mapping[str, Parameter] = field(default_factory=dict)
    """What we set where River's own default would not do; a seed, where River would draw one."""


PEERS: Mapping[str, Peer] = MappingProxyType(
    {
        "river.DBSTREAM": Peer(cluster.DBSTREAM, "shared-density micro-clusters (Hahsler and Bolanos 2016)"),
        "river.CluStream": Peer(
            cluster.CluStream,
            "micro-clusters over a window, k-means on top (Aggarwal et al. 2003)",
            passed_on=("halflife", "mu", "sigma", "p"),
            defaults=MappingProxyType({"seed": 0}),
        ),
        "river.KMeans": Peer(
            cluster.KMeans,
            "sequential k-means (Sculley 2010)",
            keeps_labels=True,
            defaults=MappingProxyType({"seed": 0}),
        ),
        "river.STREAMKMeans": Peer(
            cluster.STREAMKMeans,
            "k-means by chunks (O'Callaghan et al. 2002)",
            keeps_labels=True,
            passed_on=("halflife", "mu", "sigma", "p", "seed"),
            defaults=MappingProxyType({"seed": 0}),
        ),
        "river.DenStream": Peer(
            cluster.DenStream,
            "density-based micro-clusters (Cao et al. 2006), on standardised points: its radius needs them centred",
            standardised=True,
            defaults=MappingProxyType({"epsilon": 0.5, "n_samples_init": 200}),
        ),
    }
)


@dataclass(frozen=True, slots=True)
class Domain:
    """The values a parameter may have: those its method is defined for, as far as one request may not fill the machine.
    With `above`, `low` itself is none of them."""

    low: float
    high: float
    whole: bool = False
    above: bool = False

    def __contains__(self, value: float) -> bool:
        whole = not self.whole or int(value) == value
        return (self.low < value if self.above else self.low <= value) and value <= self.high and whole

    def __str__(self) -> str:
        number = "a whole number" if self.whole else "a number"
        if self.above:
            return f"{number} above {self.low:g} and at most {self.high:g}"
        return f"{number} from {self.low:g} to {self.high:g}"


_COUNT = Domain(1, 1000, whole=True)
_SPAN = Domain(1, 1_000_000, whole=True)
_POSITIVE = Domain(0, 1e9, above=True)
_SHARE = Domain(0, 1, above=True)
"""Of a step, an overlap, a weight. More than the whole of a step runs away from the points: its centres grow without
bound."""
_DOMAINS: Mapping[str, Domain] = MappingProxyType(
    {
        "n_clusters": _COUNT,
        "n_macro_clusters": _COUNT,
        "max_micro_clusters": _COUNT,
        "chunk_size": Domain(1, 10_000, whole=True),
        "n_samples_init": Domain(1, 10_000, whole=True),
        "time_gap": _SPAN,
        "time_window": _SPAN,
        "stream_speed": _SPAN,
        "cleanup_interval": _SPAN,
        "micro_cluster_r_factor": _COUNT,
        "seed": Domain(0, 2**32 - 1, whole=True),
        # The order of a Minkowski distance: coordinates of 1e60 stay finite to the fifth power.
        "p": Domain(1, 5, whole=True),
        "halflife": _SHARE,
        "mu": Domain(-1e6, 1e6),
        "sigma": Domain(0, 1e6),
        "river.DenStream.mu": Domain(1, 1e6, above=True),
        "beta": _SHARE,
        "epsilon": _POSITIVE,
        "decaying_factor": Domain(1e-6, 1),
        "fading_factor": Domain(1e-6, 1),
        "intersection_factor": _SHARE,
        "minimum_weight": Domain(0, 1e9),
        "clustering_threshold": _POSITIVE,
    }
)
"""By the parameter's name, or by that of the peer and the parameter where a name has two meanings."""


def domain_of(name: str, key: str) -> Domain:
    """Raises KeyError for a parameter that no peer has."""
    return _DOMAINS.get(f"{name}.{key}") or _DOMAINS[key]


def allowed(name: str) -> tuple[str, ...]:
    """The parameters that peer takes."""
    peer = PEERS[name]
    own = [
        parameter.name
        for parameter in inspect.signature(peer.make).parameters.values()
        if parameter.kind is not inspect.Parameter.VAR_KEYWORD
    ]
    return (*own, *peer.passed_on)


def check_parameters(name: str, parameters: Mapping[str, Parameter]) -> None:
    """Raises ValueError, saying what is allowed, unless the peer can be made with these parameters."""
    known = allowed(name)
    for key, value in parameters.items():
        if key not in known:
            raise ValueError(f"{name} has no parameter {key!r}; it takes {', '.join(known)}")
        _check_value(name, key, value)
    try:
        make(name, parameters)
    except (ValueError, TypeError, ArithmeticError) as error:
        raise ValueError(f"{name} cannot be made with these parameters: {error}") from error


def _check_value(name: str, key: str, value: Parameter) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"{name}: {key} must be a number, not {value!r}")
    domain = domain_of(name, key)
    if not math.isfinite(value) or value not in domain:
        raise ValueError(f"{name}: {key} must be {domain}, not {value!r}")


def make(name: str, parameters: Mapping[str, Parameter]) -> Any:
    """A new River clusterer."""
    peer = PEERS[name]
    chosen: dict[str, Any] = {**peer.defaults, **parameters}
    return peer.make(**{key: int(value) if domain_of(name, key).whole else value for key, value in chosen.items()})
