"""Which River clusterers a stream may be learned by, and what their parameters are."""

from __future__ import annotations

import inspect
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

# what keeps one request from filling the machine
_MOST: Mapping[str, float] = MappingProxyType(
    {
        "n_clusters": 1000,
        "n_macro_clusters": 1000,
        "max_micro_clusters": 1000,
        "chunk_size": 10_000,
        "n_samples_init": 10_000,
        "time_gap": 1_000_000,
        "p": 10,
    }
)
_WHOLE = frozenset(
    {"n_clusters", "n_macro_clusters", "max_micro_clusters", "chunk_size", "n_samples_init", "time_gap", "time_window"}
    | {"seed", "stream_speed", "p", "micro_cluster_r_factor", "cleanup_interval"}
)
_MAY_BE_ZERO = frozenset({"seed", "mu", "fading_factor", "sigma"})


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
    if key in _WHOLE and int(value) != value:
        raise ValueError(f"{name}: {key} must be a whole number, not {value!r}")
    least_ok = value >= 0 if key in _MAY_BE_ZERO else value > 0
    most = _MOST.get(key, 1e9)
    if not (least_ok and value <= most):
        least = "at least" if key in _MAY_BE_ZERO else "above"
        raise ValueError(f"{name}: {key} must be {least} 0 and at most {most:g}")


def make(name: str, parameters: Mapping[str, Parameter]) -> Any:
    """A new River clusterer."""
    peer = PEERS[name]
    chosen: dict[str, Any] = {**peer.defaults, **parameters}
    return peer.make(**{key: int(value) if key in _WHOLE else value for key, value in chosen.items()})
