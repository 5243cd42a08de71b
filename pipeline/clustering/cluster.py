"""The step of the clustering street: a batch of points and a stream's state in, labels out."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence

import numpy as np

from pipeline.clock import Clock
from pipeline.clustering import tell
from pipeline.clustering.check import check
from pipeline.clustering.choose import LearnerConfig, create
from pipeline.clustering.state import StreamState, from_bytes, to_bytes
from pipeline.learning.learner import AS_CONFIGURED, Judgement, Learner, Override
from pipeline.outcome import Drop, Emission, Emit, Outcome, Refuse
from pipeline.received import Received
from pipeline.telemetry import Meter
from schemas.clustering.points import Action, ClusteringConfig, PointsObserved
from schemas.clustering.topics import CLUSTERED, CLUSTERS, DRIFT, OBSERVED, OUTLIERS
from schemas.topic import Topic

log = logging.getLogger(__name__)

TELL_EVERY_MICROSECONDS = 100_000
"""A stream's clusters are told at most so often while it is busy, and once more when it falls silent."""


class Cluster:
    """A `pipeline.step.Step`. Deterministic but for `processed_at` and durations, which no state depends on."""

    topic: Topic = OBSERVED
    kind = PointsObserved

    def __init__(self, meter: Meter, clock: Clock) -> None:
        self._meter, self._clock = meter, clock

    def key(self, event: PointsObserved) -> str:
        return event.stream

    def restore(self, snapshot: bytes | None) -> StreamState:
        return from_bytes(snapshot)

    def snapshot(self, state: StreamState) -> bytes:
        return to_bytes(state)

    def forfeit(self, state: StreamState, reason: str) -> StreamState:
        state.forget()
        state.forfeited = reason
        state.owing = True
        return state

    def apply(self, received: Received[PointsObserved], state: StreamState) -> Outcome:
        event = received.event
        state.stream, state.partition, state.offset = (
            event.stream,
            received.position.partition,
            received.position.offset,
        )
        state.owing = True
        outcome: Outcome | None = check(event)
        if outcome is None and event.action is not Action.LEARN:
            return self._forget(event, state)
        if outcome is None:
            outcome = self._learn(received, state)
        if isinstance(outcome, Refuse):
            state.refused += 1
        return outcome

    def settle(self, state: StreamState, *, final: bool) -> Sequence[Emission]:
        if not state.owing or not (final or self._clock() - state.told_at >= TELL_EVERY_MICROSECONDS):
            return ()
        return (self._tell(state),)

    def _tell(self, state: StreamState) -> Emission:
        now = self._clock()
        event = tell.updated(state, self._meter, now)
        state.told_at, state.owing = now, False
        state.changed.clear()
        return Emission(CLUSTERS, event)

    def _forget(self, event: PointsObserved, state: StreamState) -> Outcome:
        state.forget()
        if event.action is Action.RESET:
            return Emit((self._tell(state),))
        state.config, state.refused, state.owing = None, 0, False
        return Emit((Emission(CLUSTERS, None),))

    def _learn(self, received: Received[PointsObserved], state: StreamState) -> Outcome:
        begun = time.perf_counter()
        event = received.event
        if state.forfeited is not None:
            return Refuse("stream_forfeited", f"stream {event.stream} has no model: {state.forfeited}; reset it")
        unfit = _unfit(event, state)
        if unfit is not None:
            return unfit
        points = np.ascontiguousarray(event.values.reshape(-1, event.dimension))
        if state.learner is None:
            config = _config(event.config, state.config)
            try:
                state.learner, state.config = create(config, event.dimension), config
            except (ValueError, TypeError) as error:
                return Refuse("config_invalid", str(error))
            state.created_at = received.raw.timestamp
        elif event.batch_id is not None and state.has_seen(event.batch_id):
            return self._repeated(received, state, state.learner, begun)
        first = state.points + 1
        try:
            judgement = state.learner.learn(points, _override(event.config))
        except Exception as error:  # a third party's learner, tripped by these points: its state cannot be trusted
            log.exception("stream %s: the learner failed", event.stream)
            reason = f"the learner failed: {type(error).__name__}: {error}"[:300]
            self.forfeit(state, reason)
            return Refuse("learner_failed", reason)
        return self._learned(received, state, state.learner, judgement, first, begun)

    def _learned(self, received: Received[PointsObserved], state: StreamState, learner: Learner, judgement: Judgement,
                 first: int, begun: float) -> Outcome:  # fmt: skip
        now = self._clock()
        state.batches += 1
        state.points += len(judgement.labels)
        if received.event.batch_id is not None:
            state.see(received.event.batch_id)
        labels = judgement.labels
        state.touch([int(label) for label in np.unique(labels) if label >= 0], received.raw.timestamp)
        if judgement.drifts:
            state.last_drift_at = received.raw.timestamp
        emissions = [Emission(CLUSTERED, tell.clustered(received, judgement, first, now))]
        strays = tell.outliers(received, judgement, now)
        if strays is not None:
            emissions.append(Emission(OUTLIERS, strays))
        for ordinal, drift in enumerate(judgement.drifts):
            emissions.append(Emission(DRIFT, tell.drifted(received, drift, ordinal, now)))
        milliseconds = (time.perf_counter() - begun) * 1000
        self._meter.note(milliseconds, len(labels))
        if now - state.told_at >= TELL_EVERY_MICROSECONDS:
            emissions.append(self._tell(state))
        if received.raw.reply_partition is None:
            return Emit(emissions)
        return Emit(emissions, tell.answer(state, learner, judgement, first, False, milliseconds))

    def _repeated(self, received: Received[PointsObserved], state: StreamState, learner: Learner, begun: float) -> Drop:
        if received.raw.reply_partition is None:
            return Drop("duplicate")
        judgement = learner.judge(received.event.values.reshape(-1, received.event.dimension))
        milliseconds = (time.perf_counter() - begun) * 1000
        return Drop("duplicate", tell.answer(state, learner, judgement, 0, True, milliseconds))


def _unfit(event: PointsObserved, state: StreamState) -> Refuse | None:
    learner, config = state.learner, state.config
    if learner is None or config is None:
        return None
    if event.dimension != learner.dimension:
        return Refuse(
            "dimension_mismatch",
            f"stream {event.stream} has points of {learner.dimension} numbers, these have {event.dimension}",
        )
    asked = event.config
    if asked is None:
        return None
    if asked.algorithm is not None and asked.algorithm != config.algorithm:
        return Refuse(
            "algorithm_conflict",
            f"stream {event.stream} is learned by {config.algorithm}, not {asked.algorithm}; "
            "delete it or use another stream",
        )
    if asked.parameters is not None and dict(asked.parameters) != dict(config.parameters):
        return Refuse("algorithm_conflict", f"stream {event.stream} has other parameters: {dict(config.parameters)}")
    return None


def _config(asked: ClusteringConfig | None, held: LearnerConfig | None) -> LearnerConfig:
    """A first batch's wish; else what a reset stream had; else the default."""
    if asked is not None and asked.algorithm is not None:
        return LearnerConfig(asked.algorithm, dict(asked.parameters or {}))
    if held is not None:
        return held
    return LearnerConfig(parameters=dict(asked.parameters or {})) if asked is not None else LearnerConfig()


def _override(asked: ClusteringConfig | None) -> Override:
    if asked is None:
        return AS_CONFIGURED
    return Override(asked.threshold, asked.max_clusters, asked.learning_rate)
