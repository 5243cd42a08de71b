"""The step: labels, refusals, resets, retries; and a state that no interruption changes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.clustering import cluster
from pipeline.clustering.choose import ALGORITHMS
from pipeline.clustering.cluster import TELL_EVERY_MICROSECONDS
from pipeline.clustering.state import UNKNOWN_BODY
from pipeline.learning.learner import OUTLIER
from pipeline.outcome import Drop, Emit, Outcome, Refuse
from schemas.clustering.clusters import ClustersUpdated, DriftDetected
from schemas.clustering.points import (
    Action,
    ClusteringConfig,
    OutliersDetected,
    PointsAnswered,
    PointsClustered,
    PointsObserved,
)
from schemas.clustering.topics import CLUSTERS
from schemas.codec import Codec
from tests.pipeline.clustering.batches import Bench, blobs, emitted, observed, parts

EXAMPLE = [[1.0, 2.0, 3.0], [1.1, 2.1, 3.1], [5.0, 6.0, 7.0]]


def reason_of(outcome: Outcome) -> str:
    assert isinstance(outcome, Refuse), outcome
    return outcome.reason


def order(action: Action) -> PointsObserved:
    return PointsObserved("s", 5, 0, np.empty(0), action=action)


def test_every_point_of_a_batch_gets_its_label() -> None:
    bench = Bench()
    [clustered] = emitted(bench.learn(EXAMPLE, batch_id="b", source="me", metadata={"a": "b"}), PointsClustered)
    assert clustered.labels == [1, 1, OUTLIER]
    assert np.array_equal(clustered.values.reshape(-1, 3), EXAMPLE)
    assert (clustered.source_partition, clustered.source_offset, clustered.first_point) == (2, 0, 1)
    assert (clustered.batch_id, clustered.source, clustered.metadata) == ("b", "me", {"a": "b"})
    assert ((clustered.similarities >= 0) & (clustered.similarities <= 1)).all()
    [following] = emitted(bench.learn(EXAMPLE), PointsClustered)
    assert following.first_point == 4


def test_outliers_are_told_by_themselves() -> None:
    bench = Bench()
    [strays] = emitted(bench.learn(EXAMPLE), OutliersDetected)
    assert (strays.indices, strays.values.tolist()) == ([2], EXAMPLE[2])
    assert emitted(bench.learn(EXAMPLE[:1]), OutliersDetected) == []


def test_who_asks_is_answered_and_nobody_else() -> None:
    bench = Bench()
    outcome = bench.learn(EXAMPLE, asked=True)
    assert isinstance(outcome, Emit)
    answer = outcome.answer
    assert isinstance(answer, PointsAnswered)
    assert answer.labels == [1, 1, OUTLIER]
    [cluster] = answer.clusters
    assert (cluster.cluster_id, cluster.size, cluster.created_at) == (1, 2, cluster.updated_at)
    unasked = bench.learn(EXAMPLE)
    assert isinstance(unasked, Emit)
    assert unasked.answer is None


def test_another_dimension_is_refused_by_naming_both() -> None:
    bench = Bench()
    bench.learn(EXAMPLE)
    before = bench.state.points
    outcome = bench.learn([[1.0, 2.0]])
    assert reason_of(outcome) == "dimension_mismatch"
    assert "3" in str(outcome)
    assert "2" in str(outcome)
    assert (bench.state.points, bench.state.refused) == (before, 1)


def test_an_algorithm_is_chosen_once() -> None:
    bench = Bench()
    chosen = ClusteringConfig("river.DBSTREAM", {"clustering_threshold": 2.0})
    assert isinstance(bench.learn(EXAMPLE, config=chosen), Emit)
    assert isinstance(bench.learn(EXAMPLE, config=chosen), Emit)
    assert isinstance(bench.learn(EXAMPLE, config=ClusteringConfig(parameters={})), Emit)
    assert isinstance(bench.learn(EXAMPLE), Emit)
    for other in (ClusteringConfig("adaptive"), ClusteringConfig(parameters={"clustering_threshold": 3.0})):
        assert reason_of(bench.learn(EXAMPLE, config=other)) == "algorithm_conflict"


@pytest.mark.parametrize(
    "config",
    [
        ClusteringConfig("magic"),
        ClusteringConfig("adaptive", {"x": 1}),
        ClusteringConfig("river.KMeans", {"n_clusters": "x"}),
    ],
)
def test_a_configuration_that_makes_no_learner_makes_no_stream(config: ClusteringConfig) -> None:
    bench = Bench()
    assert reason_of(bench.learn(EXAMPLE, config=config)) == "config_invalid"
    assert not bench.state.exists
    assert bench.step.settle(bench.state, final=True) == ()
    assert isinstance(bench.learn(EXAMPLE), Emit)


def test_a_batch_with_the_same_id_counts_once_also_after_a_restart() -> None:
    bench = Bench()
    bench.learn(EXAMPLE, batch_id="b")
    bench.resume()
    silent, told = bench.learn(EXAMPLE, batch_id="b"), bench.learn(EXAMPLE, batch_id="b", asked=True)
    assert (bench.state.points, bench.state.batches) == (3, 1)
    assert isinstance(silent, Drop)
    assert silent.answer is None
    assert isinstance(told, Drop)
    assert isinstance(told.answer, PointsAnswered)
    assert told.answer.duplicate
    assert told.answer.labels == [1, 1, OUTLIER]


def test_a_batch_id_that_comes_back_with_other_points_is_refused_and_not_silently_dropped() -> None:
    bench = Bench()
    bench.learn(EXAMPLE, batch_id="b")
    bench.resume()
    before = bench.step.snapshot(bench.state)
    for other in (EXAMPLE[:1], [*EXAMPLE, EXAMPLE[0]], [*EXAMPLE[:-1], [8.0, 8.125, 9.0]]):
        assert reason_of(bench.learn(other, batch_id="b")) == "batch_id_reused"
    config = ClusteringConfig(threshold=0.5)
    assert reason_of(bench.learn(EXAMPLE, batch_id="b", config=config)) == "batch_id_reused"
    bench.state.refused = 0
    assert bench.step.snapshot(bench.state) == before, "nothing was learned"
    assert isinstance(bench.learn(EXAMPLE, batch_id="b"), Drop)


def test_no_part_of_a_larger_request_with_a_used_key_is_learned() -> None:
    bench = Bench()
    first, second = b"8 bytes.", b"8 others"
    assert isinstance(bench.apply(observed(EXAMPLE, batch_id="k#0"), body=first), Emit)
    for part in ("k#0", "k#1"):
        assert reason_of(bench.apply(observed(EXAMPLE, batch_id=part), body=second)) == "batch_id_reused"
    assert isinstance(bench.apply(observed(EXAMPLE, batch_id="k#0"), body=first), Drop)
    assert isinstance(bench.apply(observed(EXAMPLE, batch_id="k#1"), body=first), Emit), "a part that was lost"


def test_a_batch_learned_before_bodies_were_remembered_is_still_a_repetition() -> None:
    bench = Bench()
    bench.learn(EXAMPLE, batch_id="b")
    for digest in bench.state.recent:
        bench.state.recent[digest] = UNKNOWN_BODY
    assert isinstance(bench.learn(EXAMPLE[:1], batch_id="b"), Drop)


def test_a_reset_keeps_the_algorithm_and_forgets_the_rest() -> None:
    bench = Bench()
    bench.learn(EXAMPLE, batch_id="b", config=ClusteringConfig("river.KMeans", {"n_clusters": 2}))
    bench.learn([[1.0]])
    [updated] = emitted(bench.apply(order(Action.RESET)), ClustersUpdated)
    assert (updated.points, updated.clusters, updated.refused, updated.algorithm) == (0, [], 0, "river.KMeans")
    assert isinstance(bench.learn([[1.0, 2.0]], batch_id="b"), Emit)
    assert bench.state.learner is not None
    assert (bench.state.learner.name, bench.state.points) == ("river.KMeans", 1)


def test_a_deletion_forgets_all_and_leaves_a_tombstone() -> None:
    bench = Bench()
    bench.learn(EXAMPLE, config=ClusteringConfig("river.KMeans"))
    outcome = bench.apply(order(Action.DELETE))
    assert isinstance(outcome, Emit)
    assert [(each.topic, each.event) for each in outcome.emissions] == [(CLUSTERS, None)]
    assert bench.step.settle(bench.state, final=True) == ()
    assert bench.step.snapshot(bench.state) == bench.step.snapshot(bench.step.restore(None))
    assert isinstance(bench.learn([[1.0]], config=ClusteringConfig("adaptive")), Emit)


def test_a_stream_that_never_was_is_not_told_of() -> None:
    bench = Bench()
    assert reason_of(bench.learn(EXAMPLE, dimension=4)) == "values_ragged"
    assert bench.apply(order(Action.RESET)) == Emit(())
    assert bench.step.settle(bench.state, final=True) == ()


class Tripping:
    """A learner that fails in one of its methods, and passes on the rest."""

    def __init__(self, inner: Any, method: str) -> None:
        self._inner, self._method = inner, method

    def __getattr__(self, name: str) -> Any:
        if name == self._method:
            raise ZeroDivisionError("tripped")
        return getattr(self._inner, name)


@pytest.mark.parametrize("method", ["learn", "clusters", "status"])
def test_a_learner_that_fails_costs_its_stream_the_model_and_the_worker_nothing(method: str) -> None:
    bench = Bench()
    bench.learn(EXAMPLE)
    bench.state.learner = Tripping(bench.state.learner, method)
    outcome = bench.learn(EXAMPLE, asked=True)
    assert reason_of(outcome) == "learner_failed"
    assert "tripped" in str(outcome)
    bench.resume()
    assert reason_of(bench.learn(EXAMPLE)) == "stream_forfeited"
    [told] = bench.step.settle(bench.state, final=True)
    assert isinstance(told.event, ClustersUpdated)
    assert (told.event.refused, told.event.clusters) == (2, [])
    assert isinstance(bench.apply(order(Action.RESET)), Emit)
    assert isinstance(bench.learn(EXAMPLE), Emit)


def test_a_learner_that_fails_at_a_retry_or_at_its_snapshot_costs_no_more() -> None:
    bench = Bench()
    bench.learn(EXAMPLE, batch_id="b")
    bench.state.learner = Tripping(bench.state.learner, "judge")
    assert reason_of(bench.learn(EXAMPLE, batch_id="b", asked=True)) == "learner_failed"
    bench = Bench()
    bench.learn(EXAMPLE)
    bench.state.learner = Tripping(bench.state.learner, "snapshot")
    assert bench.step.restore(bench.step.snapshot(bench.state)).forfeited is not None


def test_a_state_that_cannot_be_kept_refuses_until_it_is_reset() -> None:
    bench = Bench()
    bench.learn(EXAMPLE)
    bench.state = bench.step.forfeit(bench.state, "its snapshot is too large")
    outcome = bench.learn(EXAMPLE)
    assert reason_of(outcome) == "stream_forfeited"
    assert "too large" in str(outcome)


def test_telling_gives_way_to_learning(monkeypatch: pytest.MonkeyPatch) -> None:
    """With a share of next to nothing, one stream's update keeps the others' waiting, but for the last."""
    monkeypatch.setattr(cluster, "TELLING_SHARE", 1e-9)
    bench = Bench()
    bench.learn(EXAMPLE)
    bench.clock.now += TELL_EVERY_MICROSECONDS
    bench.learn(EXAMPLE)
    assert bench.step.settle(bench.state, final=False) == ()
    assert len(bench.step.settle(bench.state, final=True)) == 1


def test_a_new_stream_is_told_with_its_first_answer_and_later_answers_do_not_wait_for_that() -> None:
    bench = Bench()
    assert len(emitted(bench.learn(EXAMPLE, asked=True), ClustersUpdated)) == 1
    bench.clock.now += TELL_EVERY_MICROSECONDS
    for _ in range(3):
        assert emitted(bench.learn(EXAMPLE, asked=True), ClustersUpdated) == []
        bench.clock.now += TELL_EVERY_MICROSECONDS
    assert len(bench.step.settle(bench.state, final=False)) == 1


def test_a_busy_stream_is_told_at_most_so_often_and_once_more_when_it_falls_silent(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(cluster, "TELLING_SHARE", 1e9)
    bench = Bench()
    bench.learn(EXAMPLE)
    bench.learn(EXAMPLE)
    assert bench.step.settle(bench.state, final=False) == ()
    bench.clock.now += TELL_EVERY_MICROSECONDS
    [told] = bench.step.settle(bench.state, final=False)
    assert isinstance(told.event, ClustersUpdated)
    assert (told.event.points, told.event.source_offset) == (6, 1)
    assert bench.step.settle(bench.state, final=True) == ()


def test_only_clusters_that_took_in_points_are_told_to_have_changed() -> None:
    bench = Bench()
    bench.learn(blobs(400))
    bench.step.settle(bench.state, final=True)
    [label] = emitted(bench.learn(blobs(400)[:1]), PointsClustered)[0].labels
    [told] = bench.step.settle(bench.state, final=True)
    assert isinstance(told.event, ClustersUpdated)
    assert [each.cluster_id for each in told.event.clusters if each.changed] == [label]


def test_drift_is_told_with_its_position_and_kept_in_the_figures() -> None:
    bench = Bench()
    bench.learn(blobs(3000, 4))
    drifts: list[DriftDetected] = []
    for seed in range(6):
        drifts += emitted(bench.learn(40 + blobs(500, 4, seed=seed)), DriftDetected)
    assert drifts
    assert drifts[0].at_point > 3000
    assert drifts[0].recommendation
    [told] = bench.step.settle(bench.state, final=True)
    assert isinstance(told.event, ClustersUpdated)
    assert told.event.drifts == len(drifts)
    assert told.event.last_drift_at is not None


CHUNKED = st.tuples(st.integers(0, 5), st.sets(st.integers(1, 299), max_size=6), st.sets(st.integers(0, 7), max_size=4))


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@settings(max_examples=15)
@given(CHUNKED)
def test_a_state_that_was_interrupted_equals_one_that_was_not(
    algorithm: str, chunked: tuple[int, set[int], set[int]]
) -> None:
    seed, cuts, interruptions = chunked
    count = 300 if algorithm == "adaptive" else 60  # River's take their time
    batches = parts(blobs(count, seed=seed), {cut for cut in cuts if cut < count})
    batches = [batch for each in batches for batch in (each, each)]
    config = ClusteringConfig(algorithm)
    straight, interrupted = Bench(), Bench()
    for number, batch in enumerate(batches):
        if number in interruptions:
            interrupted.resume()
        outcomes = [
            bench.learn(batch, config=config, batch_id=f"b{number // 2}", asked=number % 2 == 0)
            for bench in (straight, interrupted)
        ]
        assert type(outcomes[0]) is type(outcomes[1])
        if isinstance(outcomes[0], Emit):
            one, other = (emitted(outcome, PointsClustered)[0] for outcome in outcomes)
            assert one.labels == other.labels
            assert one.similarities.tobytes() == other.similarities.tobytes()
    assert straight.step.snapshot(straight.state) == interrupted.step.snapshot(interrupted.state)
    assert straight.step.snapshot(straight.resume()) == straight.step.snapshot(interrupted.state)


@given(
    st.lists(
        st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=2, max_size=2), min_size=1, max_size=30
    )
)
def test_any_finite_points_are_learned_and_what_is_told_of_them_can_be_written(points: list[list[float]]) -> None:
    bench, codec = Bench(), Codec()
    for _ in range(2):
        outcome = bench.learn(points, asked=True)
        assert isinstance(outcome, Emit)
        for event in [*(each.event for each in outcome.emissions), outcome.answer]:
            assert event is not None
            codec.encode(event)
    bench.resume()


def test_the_same_key_belongs_to_the_same_stream() -> None:
    assert Bench().step.key(observed(EXAMPLE, stream="mine")) == "mine"


@pytest.mark.parametrize("name", ["", " ", "no good", "x" * 129, "é", "a\n"])
def test_what_is_no_streams_name_has_no_state(name: str) -> None:
    refused = Bench().step.key(observed(EXAMPLE, stream=name))
    assert isinstance(refused, Refuse)
    assert refused.reason == "stream_invalid"
