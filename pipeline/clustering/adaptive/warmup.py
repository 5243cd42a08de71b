"""The warm start: once scale and radius are known, the first points are learned again."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.clustering.adaptive.assign import assign
from pipeline.clustering.adaptive.distance import compiled
from pipeline.clustering.adaptive.search import effective_threshold, nearest_promoted, reach_of, renew_lookup
from pipeline.clustering.adaptive.state import FREE, RESERVOIR, Rules, State


@compiled
def due(t: int) -> bool:
    """Whether point t ends a stage of the warm-up. The reservoir then holds all points so far, in order."""
    return t == 32 or t == RESERVOIR


@compiled
def replay(t: int, state: State, rules: Rules, trace: NDArray[np.void], index: int) -> None:
    """Forget the groups and learn points 1..t again with the scale and radius known now.

    Clusters keep their ids (`carry_over`). `trace[:index + 1]`, the batch's points up to t, is rewritten.
    """
    totals = state.totals[0]
    before = identities(t, state, rules)
    given = totals["ids"]
    for s in range(totals["used"]):
        state.slots[s]["kind"], state.slots[s]["identity"] = FREE, 0
    totals["used"], totals["outliers"] = 0, 0
    totals["mass"], totals["recent"], totals["recent_outliers"] = 0.0, 0.0, 0.0
    renew_lookup(state, rules)
    homes = np.zeros(t, np.int64)
    for q in range(t):
        homes[q], _fit = assign(state.reservoir[q], q + 1, state, rules)
        k = index - (t - 1 - q)
        if k >= 0:
            trace[k]["slot"], trace[k]["serial"] = homes[q], state.slots[homes[q]]["serial"]
    totals["ids"] = carry_over(before, homes, state, given)
    totals["churn"] = 0.0


@compiled
def identities(t: int, state: State, rules: Rules) -> NDArray[np.int64]:
    """(t,) the id of the cluster that each of the first t points lies in as things stand, 0: none."""
    found = np.zeros(t, np.int64)
    totals = state.totals[0]
    reach = reach_of(totals["radius"], effective_threshold(rules.threshold, totals["ease"]))
    for q in range(t):
        s, square = nearest_promoted(
            state.reservoir[q], state.slots, state.center, totals["used"], state.scale.precision
        )
        if s >= 0 and square <= reach * (1.0 + 1.0 / state.slots[s]["members"]):
            found[q] = state.slots[s]["identity"]
    return found


@compiled
def carry_over(before: Any, homes: Any, state: State, given: int) -> int:
    """Name the replayed clusters: each takes the old id with which it shares most points, each id going to one only.

    Pairs are matched from the greatest overlap down, ties to the lower id, then slot; whoever shares none gets a new id
    after `given`. Returns the last id given.
    """
    slots, used = state.slots, state.totals[0]["used"]
    shared = np.zeros((given + 1, used), np.int64)
    for q in range(homes.size):
        if before[q] > 0:
            shared[before[q], homes[q]] += 1
    names = np.zeros(used, np.int64)
    while True:
        most, identity, slot = 0, 0, -1
        for i in range(1, shared.shape[0]):
            for s in range(used):
                if slots[s]["identity"] > 0 and names[s] == 0 and shared[i, s] > most:
                    most, identity, slot = shared[i, s], i, s
        if slot < 0:
            break
        names[slot] = identity
        for s in range(used):
            shared[identity, s] = 0
    for s in range(used):
        if slots[s]["identity"] > 0:
            if names[s] == 0:
                given += 1
                names[s] = given
            slots[s]["identity"] = names[s]
    return given
