"""Small batches of one stream, alike and many: learned in one call, told as if each had come alone."""

from __future__ import annotations

import numpy as np

from pipeline.clustering import tell
from pipeline.clustering.state import StreamState
from pipeline.learning.learner import Drift, SequenceLearner
from pipeline.outcome import Emission
from pipeline.received import ReceivedAlike
from schemas.alike import Alike
from schemas.clustering.points import Action, PointsClustered, PointsObserved
from schemas.clustering.topics import DRIFT, OUTLIERS

NUMBERS = ("observed_at",)
"""In these, and in their values, batches may differ."""


def is_plain(received: ReceivedAlike[PointsObserved]) -> bool:
    """Points alone: no order, no wish, no batch id that must be looked up, no number that is not finite."""
    event = received.alike.first
    plain = event.action is Action.LEARN and event.config is None and event.batch_id is None
    return plain and bool(np.isfinite(received.alike.columns["values"]).all())


def learned(
    received: ReceivedAlike[PointsObserved], state: StreamState, learner: SequenceLearner, now: int
) -> tuple[Alike[PointsClustered], list[tuple[int, Emission]]]:
    """The results, and outliers and drifts with the index of their batch. The state is left as one batch after the
    other would leave it."""
    count, first = len(received.offsets), state.points + 1
    batches = received.alike.columns["values"].reshape(count, -1, received.alike.first.dimension)
    judgement = learner.learn_sequence(batches)
    labels = judgement.labels.reshape(count, -1)
    state.batches += count
    state.points += labels.size
    state.touch_each(labels, received.timestamps)
    results = tell.clustered_alike(received, judgement, first, now)
    drifts: dict[int, list[Drift]] = {}
    for drift in judgement.drifts:
        drifts.setdefault((drift.at - first) // labels.shape[1], []).append(drift)
    if drifts:
        state.last_drift_at = int(received.timestamps[max(drifts)])
    return results, _others(results, drifts)


def _others(results: Alike[PointsClustered], drifts: dict[int, list[Drift]]) -> list[tuple[int, Emission]]:
    others = []
    for index in np.flatnonzero((results.columns["labels"] < 0).any(1)).tolist():
        strays = tell.outliers(results[index])
        others.append((index, Emission(OUTLIERS, strays)))
    for index, of_batch in drifts.items():
        batch = results[index]
        others += [(index, Emission(DRIFT, tell.drifted(batch, drift, at))) for at, drift in enumerate(of_batch)]
    return others
