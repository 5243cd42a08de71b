"""One point finds its group, or founds one."""

from __future__ import annotations

import math

from pipeline.clustering.adaptive.distance import FAR, Vector, compiled, follow_both, inlined, place
from pipeline.clustering.adaptive.search import effective_threshold, nearest, note, reach_of
from pipeline.clustering.adaptive.state import CANDIDATE, CANDIDATES, FREE, PROMOTED, RESERVOIR, Rules, State

RECENT = 1.0 / 256.0
"""Decay per point of the recent window, over which outliers are counted."""
TRAFFIC = 1.0 / 64.0
"""Decay per point of the window over which each cluster's traffic is counted."""
_LEAST_WEIGHT = 2.0
_SHARE = 0.1
"""A cluster needs this part of an even share of the mass: mass / max_clusters."""
_SETTLED = 8.0
"""Members from which on a cluster says how well a point fits."""
MOST_MISFIT = 20.0
"""No point fits its cluster worse than this many times the cluster's own dispersion."""
_SLOW = 0.1
"""The anchor's rate, as a part of the centre's."""


@compiled
def promotion_weight(mass: float, max_clusters: int) -> float:
    """max(2, 0.1 mass / max_clusters): the decayed members a candidate needs to become a cluster."""
    return float(max(_LEAST_WEIGHT, _SHARE * mass / max_clusters))


@inlined
def decay_to(t: int, s: int, state: State, rules: Rules) -> None:
    """Bring the weight of slot s up to point t: it halves every half-life."""
    group = state.slots[s]
    if group["decayed"] < t:
        group["weight"] *= math.exp(-rules.decay * (t - group["decayed"]))
        group["decayed"] = t


@inlined
def misfit(square: float, s: int, state: State) -> float:
    """delta^2 over the cluster's slow dispersion: about 1 for its own points in any cluster, at most MOST_MISFIT."""
    return float(min(MOST_MISFIT, square / max(state.slots[s]["spread"], 1e-12)))


@inlined
def assign(x: Vector, t: int, state: State, rules: Rules) -> tuple[int, float]:
    """Put point number t into the nearest group that accepts it, or into a new one.

    Accepts: delta^2 <= rho^2 (1/theta^2 - 1)leeway_k. Returns the slot, and the point's misfit
    to it, or -1 where the group is no promoted cluster or too young to say.
    """
    totals = state.totals[0]
    reach = reach_of(totals["radius"], effective_threshold(rules.threshold, totals["ease"]))
    s, square = nearest(x, state, reach)
    totals["mass"] = totals["mass"] * (1.0 - rules.decay) + 1.0
    totals["recent"] = totals["recent"] * (1.0 - RECENT) + 1.0
    totals["recent_outliers"] *= 1.0 - RECENT
    fit = -1.0
    if s >= 0:
        group = state.slots[s]
        if group["kind"] == PROMOTED and group["members"] >= _SETTLED:
            fit = misfit(square, s, state)
        _join(x, t, s, square, state, rules)
        if group["kind"] == CANDIDATE:
            _promote(t, s, state, rules)
    else:
        s = _found(x, t, state, rules)
    group = state.slots[s]
    placed = group["kind"] == PROMOTED
    if not placed:
        group["unplaced"] += 1
        group["recent_unplaced"] += 1.0
        totals["outliers"] += 1
        totals["recent_outliers"] += 1.0
    totals["strangers"] += max(1.0 / t, 0.01) * ((0.0 if placed else 1.0) - totals["strangers"])
    return s, fit


@inlined
def _join(x: Vector, t: int, s: int, square: float, state: State, rules: Rules) -> None:
    """Let x move group s.

    center += max(1/n, lr pace)(x - center), at most by half; the anchor at max(1/n, lr/10); dispersion at max(1/n, lr)
    towards delta^2 (1 - rate), spread likewise at max(1/n, lr/10).
    """
    group = state.slots[s]
    decay_to(t, s, state, rules)
    idle = t - group["touched"]
    group["traffic"] = group["traffic"] * math.exp(-TRAFFIC * idle) + 1.0
    if group["recent_unplaced"] > 0.0:
        group["recent_unplaced"] *= math.exp(-RECENT * idle)
    group["weight"] += 1.0
    group["members"] += 1.0
    group["touched"] = t
    least = 1.0 / group["members"]
    rate = min(0.5, max(least, rules.learning_rate * state.totals[0]["pace"]))
    follow_both(state.center[s], state.anchor[s], x, rate, max(least, _SLOW * rules.learning_rate))
    if group["members"] > 2.0:
        inner = square * (1.0 - rate)
        group["dispersion"] += max(least, rules.learning_rate) * (inner - group["dispersion"])
        group["spread"] += max(least, _SLOW * rules.learning_rate) * (inner - group["spread"])
    else:
        group["dispersion"] = 0.5 * square
        group["spread"] = 0.5 * square
    note(s, state, rules)


@compiled
def _promote(t: int, s: int, state: State, rules: Rules) -> None:
    """Make a cluster of candidate s when it is heavy enough and there is room.

    At the cap it takes the place of the lightest cluster if it outweighs it, and that one is on probation again. What
    its members counted as outliers is taken back.
    """
    slots, totals = state.slots, state.totals[0]
    if slots[s]["weight"] < promotion_weight(totals["mass"], rules.max_clusters) - 1e-3:
        return
    active, lightest, least = 0, -1, FAR
    for q in range(totals["used"]):
        if slots[q]["kind"] == PROMOTED:
            active += 1
            decay_to(t, q, state, rules)
            if slots[q]["weight"] < least:
                lightest, least = q, slots[q]["weight"]
    if active == rules.max_clusters and slots[s]["weight"] > least:
        slots[lightest]["kind"] = CANDIDATE
        active -= 1
        totals["churn"] += 1.0
    if active >= rules.max_clusters:
        return
    group = slots[s]
    group["kind"] = PROMOTED
    if group["identity"] == 0:
        totals["ids"] += 1
        group["identity"] = totals["ids"]
    totals["outliers"] -= group["unplaced"]
    totals["recent_outliers"] = max(0.0, totals["recent_outliers"] - group["recent_unplaced"])
    group["unplaced"] = 0
    group["recent_unplaced"] = 0.0
    if t > RESERVOIR:
        totals["churn"] += 1.0


@compiled
def _found(x: Vector, t: int, state: State, rules: Rules) -> int:
    """Open a candidate at x: in the lowest free slot, or in place of the stalest, lightest candidate."""
    slots, totals = state.slots, state.totals[0]
    free, faintest, least, candidates = -1, -1, FAR, 0
    for q in range(totals["used"]):
        if slots[q]["kind"] == FREE:
            if free < 0:
                free = q
        elif slots[q]["kind"] == CANDIDATE:
            candidates += 1
            presence = slots[q]["weight"] * math.exp(-20.0 * rules.decay * (t - slots[q]["touched"]))
            if presence < least:
                faintest, least = q, presence
    if free < 0 and totals["used"] < slots.size:
        free = totals["used"]
        totals["used"] += 1
    s = faintest if free < 0 or candidates >= CANDIDATES else free
    totals["serials"] += 1
    group = slots[s]
    group["kind"], group["identity"], group["serial"] = CANDIDATE, 0, totals["serials"]
    group["weight"], group["members"], group["traffic"] = 1.0, 1.0, 1.0
    group["dispersion"], group["spread"] = 0.0, 0.0
    group["unplaced"], group["recent_unplaced"] = 0, 0.0
    group["founded"], group["touched"], group["decayed"] = t, t, t
    place(state.center[s], x)
    place(state.anchor[s], x)
    note(s, state, rules)
    return s
