"""Upkeep by count: what is idle expires, what has grown together is merged, the threshold gives way under pressure."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from pipeline.clustering.adaptive.assign import RECENT, TRAFFIC, decay_to, promotion_weight
from pipeline.clustering.adaptive.distance import bounded_distance, compiled, follow
from pipeline.clustering.adaptive.search import renew_lookup
from pipeline.clustering.adaptive.state import CANDIDATE, FREE, PROMOTED, Rules, State

EVERY = 64
"""Points between two rounds of upkeep."""
_MERGE_EVERY = 256
_CLOSE = 0.5
"""Clusters nearer than this part of the natural radius are one."""
_GIVE = 0.15
"""The threshold eases by at most this part for want of room, and as much again for outliers."""


@compiled
def maintain(t: int, state: State, rules: Rules, trace: NDArray[np.void], seen: int) -> None:
    """One round at point t. `trace[:seen]` is kept true through merges."""
    expire(t, state, rules)
    if t % _MERGE_EVERY == 0:
        merge_close(t, state, trace, seen)
    renew_lookup(state, rules)
    state.totals[0]["churn"] *= math.exp(-rules.decay * EVERY)
    ease(state, rules)


@compiled
def expire(t: int, state: State, rules: Rules) -> None:
    """Drop clusters that weigh under half the promotion weight and are nearly empty (< 1) or idle for half a half-life
    over ln 2; drop candidates under .6 that were idle for 64 points."""
    slots, totals = state.slots, state.totals[0]
    mass = 0.0
    for s in range(totals["used"]):
        if slots[s]["kind"] != FREE:
            decay_to(t, s, state, rules)
            mass += slots[s]["weight"]
    totals["mass"] = mass
    least = 0.5 * promotion_weight(mass, rules.max_clusters)
    for s in range(totals["used"]):
        idle = t - slots[s]["touched"]
        if slots[s]["kind"] == PROMOTED:
            if slots[s]["weight"] < least and (slots[s]["weight"] < 1.0 or idle > 0.5 / rules.decay):
                _release(s, state)
                totals["churn"] += 1.0
        elif slots[s]["kind"] == CANDIDATE and slots[s]["weight"] < 0.6 and idle > 64:
            _release(s, state)
    while totals["used"] > 0 and slots[totals["used"] - 1]["kind"] == FREE:
        totals["used"] -= 1


@compiled
def _release(s: int, state: State) -> None:
    state.slots[s]["kind"] = FREE
    state.slots[s]["identity"] = 0


@compiled
def merge_close(t: int, state: State, trace: NDArray[np.void], seen: int) -> None:
    """Merge the closest pair of clusters until none is closer than rho / 2. The older id stays."""
    slots, totals = state.slots, state.totals[0]
    precision = state.scale.precision
    while True:
        first, second = -1, -1
        closest = (_CLOSE * totals["radius"]) ** 2
        for i in range(totals["used"]):
            if slots[i]["kind"] == PROMOTED:
                for j in range(i):
                    if slots[j]["kind"] == PROMOTED:
                        square = bounded_distance(state.center[i], state.center, j, precision, 0, 0.0, closest)
                        if square < closest:
                            first, second, closest = i, j, square
        if first < 0:
            return
        if slots[second]["identity"] < slots[first]["identity"]:
            first, second = second, first
        _absorb(t, first, second, closest, state)
        for k in range(seen):
            if trace[k]["serial"] == slots[second]["serial"]:
                trace[k]["slot"], trace[k]["serial"] = first, slots[first]["serial"]
        _release(second, state)
        totals["churn"] += 1.0


@compiled
def _absorb(t: int, i: int, j: int, square: float, state: State) -> None:
    """Add cluster j to cluster i: weighted means of centre and anchor; the dispersions' mean plus a b delta_ij^2."""
    kept, gone = state.slots[i], state.slots[j]
    a = kept["weight"] / (kept["weight"] + gone["weight"])
    b = 1.0 - a
    follow(state.center[i], state.center[j], b)
    follow(state.anchor[i], state.anchor[j], b)
    kept["dispersion"] = a * kept["dispersion"] + b * gone["dispersion"] + a * b * square
    kept["spread"] = a * kept["spread"] + b * gone["spread"] + a * b * square
    touched = max(kept["touched"], gone["touched"])
    kept["traffic"] = traffic_at(touched, i, state) + traffic_at(touched, j, state)
    kept["recent_unplaced"] = kept["recent_unplaced"] * math.exp(-RECENT * (touched - kept["touched"]))
    kept["weight"] += gone["weight"]
    kept["members"] += gone["members"]
    kept["founded"] = min(kept["founded"], gone["founded"])
    kept["touched"] = touched


@compiled
def traffic_at(t: int, s: int, state: State) -> float:
    """Points of slot s within the last few, as of point t."""
    return float(state.slots[s]["traffic"] * math.exp(-TRAFFIC * (t - state.slots[s]["touched"])))


@compiled
def ease(state: State, rules: Rules) -> None:
    """Let the threshold's factor follow its goal by a tenth.

    goal = 1 - .15 max(0, active / max_clusters - .8) / .2 - min(.15, .5 max(0, strangers - .15)): down by up to 15 %
    when over 80 % of the clusters are in use, and by up to 15 % when over 15 % of the points find no cluster.
    """
    slots, totals = state.slots, state.totals[0]
    active = 0
    for s in range(totals["used"]):
        if slots[s]["kind"] == PROMOTED:
            active += 1
    crowding = min(1.0, max(0.0, active / rules.max_clusters - 0.8) / 0.2)
    strangers = min(_GIVE, 0.5 * max(0.0, totals["strangers"] - 0.15))
    totals["ease"] += 0.1 * (1.0 - _GIVE * crowding - strangers - totals["ease"])
