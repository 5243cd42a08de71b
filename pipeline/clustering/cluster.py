"""The step of the clustering street: a batch of points and a stream's state in, labels out."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence

import numpy as np

from pipeline.clock import Clock
from pipeline.clustering import sequence, tell
from pipeline.clustering.check import check, check_stream
from pipeline.clustering.choose import LearnerConfig, create
from pipeline.clustering.state import UNKNOWN_BODY, StreamState, begins, from_bytes, to_bytes
from pipeline.learning.learner import AS_CONFIGURED, Drift, Learner, Override, SequenceLearner
from pipeline.outcome import Drop, Emission, Emit, EmitEach, Outcome, Refuse
from pipeline.received import Received, ReceivedAlike
from pipeline.telemetry import Meter
from schemas.clustering.points import Action, ClusteringConfig, PointsClustered, PointsObserved, body_of
from schemas.clustering.topics import CLUSTERED, CLUSTERS, DRIFT, OBSERVED, OUTLIERS
from schemas.topic import Topic

log = logging.getLogger(__name__)

TELL_EVERY_MICROSECONDS = 100_000
"""A stream's clusters are told at most so often while it is busy, and once more when it falls silent."""
REUSED = "this idempotency key (batch id) was used for other points; nothing was learned: give these a key of their own"
NO_ROOM = (
    "stream {} is new, and its partition has as many streams as it may have: delete one that is not needed, use one "
    "that there is, or ask your operator for more (THALWEG_STREAMS_PER_PARTITION)"
)
TELLING_SHARE = 0.1
"""Of the time, over all streams: with many busy streams each is told of less often, and learning is not held up."""


class Cluster:
    """A `pipeline.step.AlikeStep`. Deterministic but for `processed_at` and durations, which no state depends on."""

    topic: Topic = OBSERVED
    kind = PointsObserved
    numbers = sequence.NUMBERS

    def __init__(self, meter: Meter, clock: Clock) -> None:
        self._meter, self._clock = meter, clock
        self._quiet_until = 0

    def key(self, event: PointsObserved) -> str | Refuse:
        return check_stream(event.stream) or event.stream

    def restore(self, snapshot: bytes | None) -> StreamState:
        return from_bytes(snapshot)

    def snapshot(self, state: StreamState) -> bytes:
        try:
            return to_bytes(state)
        except MemoryError:
            raise
        except Exception as error:
            self._give_up(state, error)
            return to_bytes(state)

    def forfeit(self, state: StreamState, reason: str) -> StreamState:
        state.forget()
        state.forfeited = reason
        state.owing = True
        return state

    def exists(self, state: StreamState) -> bool:
        return state.exists

    def holds(self, snapshot: bytes) -> bool:
        return begins(snapshot)

    def apply(self, received: Received[PointsObserved], state: StreamState, room: bool = True) -> Outcome:
        event, position = received.event, received.position
        state.reach(event.stream, position.partition, position.offset)
        outcome: Outcome | None = check(event)
        if outcome is None and event.action is not Action.LEARN:
            return self._forget(event, state)
        if outcome is None:
            outcome = self._learn(received, state, room)
        if isinstance(outcome, Refuse) and state.exists:
            state.refused += 1
        return outcome

    def apply_alike(self, received: ReceivedAlike[PointsObserved], state: StreamState) -> EmitEach | None:
        event, learner = received.alike.first, state.learner
        if not isinstance(learner, SequenceLearner) or not sequence.is_plain(received):
            return None
        if check(event) is not None or _unfit(event, state) is not None:
            return None
        begun = time.perf_counter()
        state.reach(event.stream, received.partition, int(received.offsets[-1]))
        results, others = sequence.learned(received, state, learner, self._clock())
        count = len(received.offsets)
        self._meter.note((time.perf_counter() - begun) * 1000 / count, results.columns["labels"].size, count)
        return EmitEach(CLUSTERED, results, others)

    def settle(self, state: StreamState, *, final: bool) -> Sequence[Emission]:
        due = state.owing and state.exists and (final or self._may_tell(state, self._clock()))
        return (self._tell(state),) if due else ()

    def _may_tell(self, state: StreamState, now: int) -> bool:
        return now - state.told_at >= TELL_EVERY_MICROSECONDS and now >= self._quiet_until

    def _tell(self, state: StreamState) -> Emission:
        now, begun = self._clock(), time.perf_counter()
        try:
            event = tell.updated(state, self._meter, now)
        except MemoryError:
            raise
        except Exception as error:
            self._give_up(state, error)
            event = tell.updated(state, self._meter, now)
        state.told_at, state.owing = now, False
        state.changed.clear()
        self._quiet_until = now + int((time.perf_counter() - begun) * 1_000_000 / TELLING_SHARE)
        return Emission(CLUSTERS, event)

    def _forget(self, event: PointsObserved, state: StreamState) -> Outcome:
        state.forget()
        if event.action is Action.RESET:
            return Emit((self._tell(state),) if state.exists else ())
        state.config, state.owing = None, False
        return Emit((Emission(CLUSTERS, None),))

    def _learn(self, received: Received[PointsObserved], state: StreamState, room: bool) -> Outcome:
        begun = time.perf_counter()
        event = received.event
        if state.forfeited is not None:
            return Refuse("stream_forfeited", f"stream {event.stream} has no model: {state.forfeited}; reset it")
        unfit = _unfit(event, state)
        if unfit is not None:
            return unfit
        if state.learner is None:
            config = _config(event.config, state.config)
            try:
                learner = create(config, event.dimension)
            except (ValueError, TypeError) as error:
                return Refuse("config_invalid", str(error))
            # After all else that is wrong, so that the reason is the same when it is read again.
            if not (room or state.exists):
                return Refuse("too_many_streams", NO_ROOM.format(event.stream))
            state.learner, state.config = learner, config
            state.created_at = received.raw.timestamp
        try:
            if event.batch_id is not None:
                if not _same_body(received, event.batch_id, state):
                    return Refuse("batch_id_reused", REUSED)
                if state.body_of(event.batch_id) is not None:
                    return self._repeated(received, state, state.learner, begun)
            return self._learned(received, state, state.learner, begun)
        except MemoryError:
            raise
        except Exception as error:
            return self._give_up(state, error)

    def _give_up(self, state: StreamState, error: Exception) -> Refuse:
        """A third party's learner has tripped: it cannot be trusted any more, and would trip again after a restart."""
        log.error("stream %s: the learner failed", state.stream, exc_info=error)
        reason = f"the learner failed: {type(error).__name__}: {error}"[:300]
        self.forfeit(state, reason)
        return Refuse("learner_failed", reason)

    def _learned(
        self, received: Received[PointsObserved], state: StreamState, learner: Learner, begun: float
    ) -> Outcome:
        event, at = received.event, received.raw.timestamp
        first = state.points + 1
        points = np.ascontiguousarray(event.values.reshape(-1, event.dimension))
        judgement = learner.learn(points, _override(event.config))
        now = self._clock()
        state.batches += 1
        state.points += len(judgement.labels)
        if event.batch_id is not None:
            state.see(event.batch_id, _body(received))
        state.touch(sorted(label for label in set(judgement.labels.tolist()) if label >= 0), at)
        if judgement.drifts:
            state.last_drift_at = at
        emissions = _emissions(tell.clustered(received, judgement, first, now), judgement.drifts)
        milliseconds = (time.perf_counter() - begun) * 1000
        self._meter.note(milliseconds, len(judgement.labels))
        answer = None
        if received.raw.reply_partition is not None:
            answer = tell.answer(state, learner, judgement, milliseconds, first_point=first)
        if not state.told_at:
            emissions.append(self._tell(state))  # before the answer: who has one finds the stream
        return Emit(emissions, answer)

    def _repeated(self, received: Received[PointsObserved], state: StreamState, learner: Learner, begun: float) -> Drop:
        if received.raw.reply_partition is None:
            return Drop("duplicate")
        judgement = learner.judge(received.event.values.reshape(-1, received.event.dimension))
        milliseconds = (time.perf_counter() - begun) * 1000
        return Drop("duplicate", tell.answer(state, learner, judgement, milliseconds, duplicate=True))


def _emissions(batch: PointsClustered, drifts: Sequence[Drift]) -> list[Emission]:
    strays = tell.outliers(batch)
    return [
        Emission(CLUSTERED, batch),
        *([] if strays is None else [Emission(OUTLIERS, strays)]),
        *(Emission(DRIFT, tell.drifted(batch, drift, ordinal)) for ordinal, drift in enumerate(drifts)),
    ]


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
    if asked.parameters and dict(asked.parameters) != dict(config.parameters):
        return Refuse("algorithm_conflict", f"stream {event.stream} has other parameters: {dict(config.parameters)}")
    return None


def _body(received: Received[PointsObserved]) -> bytes:
    """Of the whole request that the batch is a part of; of a batch straight to Kafka, its own."""
    told = received.raw.body
    return body_of([received.event]) if told is None or len(told) != len(UNKNOWN_BODY) else told


def _same_body(received: Received[PointsObserved], batch_id: str, state: StreamState) -> bool:
    """Whether nothing else was asked for under this id. The parts of a request are `KEY#0`, `KEY#1`, …: one that is
    larger than the request it pretends to repeat must not have its further parts learned."""
    ids = [batch_id] if received.raw.body is None else [batch_id, f"{batch_id.rpartition('#')[0]}#0"]
    known = {state.body_of(each) for each in ids} - {None, UNKNOWN_BODY}
    return known <= {_body(received)}


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
