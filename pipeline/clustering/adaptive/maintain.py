"""Upkeep by count: what is idle expires, what has grown together is merged, the threshold gives way under pressure."""

from __future__ import annotations

import math

from pipeline.clustering.adaptive.assign import RECENT, TRAFFIC, decay_to, promotion_weight
from pipeline.clustering.adaptive.distance import compiled, squared_distance
from pipeline.clustering.adaptive.state import CANDIDATE, FREE, PROMOTED, Rules, State, Trace

EVERY = 64
"""Points between two rounds of upkeep."""
_MERGE_EVERY = 256
_CLOSE = 0.5
"""Clusters nearer than this part of the natural radius are one."""
_GIVE = 0.15
"""The threshold eases by at most this part for want of room, and as much again for outliers."""


@compiled
def maintain(t: int, state: State, rules: Rules, trace: Trace, seen: int) -> None:
    """One round at point t. `trace[:seen]` is kept true through merges."""
    expire(t, state, rules)
    if t % _MERGE_EVERY == 0:
        merge_close(t, state, trace, seen)
    state.totals[0]["churn"] *= math.exp(-rules.decay * EVERY)
    ease(state, rules)


@compiled
def expire(t: int, state: State, rules: Rules) -> None:
    """Drop clusters that weigh under half the promotion weight and are nearly empty (< 1) or idle for half a half-life
    over ln 2; drop candidates under .6 that were idle for 64 points."""
    slots, totals = state.slots, state.totals[0]
    mass = 0.0
    for s in range(totals["used"]):
        if slots.kind[s] != FREE:
            decay_to(t, s, state, rules)
            mass += slots.weight[s]
    totals["mass"] = mass
    least = 0.5 * promotion_weight(mass, rules.max_clusters)
    for s in range(totals["used"]):
        idle = t - slots.touched[s]
        if slots.kind[s] == PROMOTED:
            if slots.weight[s] < least and (slots.weight[s] < 1.0 or idle > 0.5 / rules.decay):
                _release(s, state)
                totals["churn"] += 1.0
        elif slots.kind[s] == CANDIDATE and slots.weight[s] < 0.6 and idle > 64:
            _release(s, state)
    while totals["used"] > 0 and slots.kind[totals["used"] - 1] == FREE:
        totals["used"] -= 1


@compiled
def _release(s: int, state: State) -> None:
    state.slots.kind[s] = FREE
    state.slots.identity[s] = 0


@compiled
def merge_close(t: int, state: State, trace: Trace, seen: int) -> None:
    """Merge the closest pair of clusters until none is closer than rho / 2. The older id stays."""
    slots, totals = state.slots, state.totals[0]
    precision = state.scale.precision
    while True:
        first, second = -1, -1
        closest = (_CLOSE * totals["radius"]) ** 2
        for i in range(totals["used"]):
            if slots.kind[i] == PROMOTED:
                for j in range(i):
                    if slots.kind[j] == PROMOTED:
                        square = squared_distance(slots.center[i], slots.center[j], precision, closest)
                        if square < closest:
                            first, second, closest = i, j, square
        if first < 0:
            return
        if slots.identity[second] < slots.identity[first]:
            first, second = second, first
        _absorb(t, first, second, closest, state)
        moved = trace.serial[:seen] == slots.serial[second]
        trace.slot[:seen][moved] = first
        trace.serial[:seen][moved] = slots.serial[first]
        _release(second, state)
        totals["churn"] += 1.0


@compiled
def _absorb(t: int, i: int, j: int, square: float, state: State) -> None:
    """Add cluster j to cluster i: weighted means of centre and anchor; the dispersions' mean plus a b delta_ij^2."""
    slots = state.slots
    a = slots.weight[i] / (slots.weight[i] + slots.weight[j])
    b = 1.0 - a
    slots.center[i, :] = a * slots.center[i] + b * slots.center[j]
    slots.anchor[i, :] = a * slots.anchor[i] + b * slots.anchor[j]
    slots.dispersion[i] = a * slots.dispersion[i] + b * slots.dispersion[j] + a * b * square
    slots.spread[i] = a * slots.spread[i] + b * slots.spread[j] + a * b * square
    touched = max(slots.touched[i], slots.touched[j])
    slots.traffic[i] = traffic_at(touched, i, state) + traffic_at(touched, j, state)
    slots.recent_unplaced[i] = slots.recent_unplaced[i] * math.exp(-RECENT * (touched - slots.touched[i]))
    slots.weight[i] += slots.weight[j]
    slots.members[i] += slots.members[j]
    slots.founded[i] = min(slots.founded[i], slots.founded[j])
    slots.touched[i] = touched


@compiled
def traffic_at(t: int, s: int, state: State) -> float:
    """Points of slot s within the last few, as of point t."""
    return float(state.slots.traffic[s] * math.exp(-TRAFFIC * (t - state.slots.touched[s])))


@compiled
def ease(state: State, rules: Rules) -> None:
    """Let the threshold's factor follow its goal by a tenth.

    goal = 1 - .15 max(0, active / max_clusters - .8) / .2 - min(.15, .5 max(0, strangers - .15)): down by up to 15 %
    when over 80 % of the clusters are in use, and by up to 15 % when over 15 % of the points find no cluster.
    """
    slots, totals = state.slots, state.totals[0]
    active = 0
    for s in range(totals["used"]):
        if slots.kind[s] == PROMOTED:
            active += 1
    crowding = min(1.0, max(0.0, active / rules.max_clusters - 0.8) / 0.2)
    strangers = min(_GIVE, 0.5 * max(0.0, totals["strangers"] - 0.15))
    totals["ease"] += 0.1 * (1.0 - _GIVE * crowding - strangers - totals["ease"])
