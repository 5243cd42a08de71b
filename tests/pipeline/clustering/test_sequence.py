"""Batches taken at once leave the same state and say the same as one after the other."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.clustering.adaptive.model import AdaptiveLearner
from pipeline.clustering.state import MAX_BIRTHS, StreamState
from pipeline.learning import streams
from pipeline.outcome import EmitEach
from pipeline.received import ReceivedAlike
from schemas.alike import Alike
from schemas.clustering.clusters import DriftDetected
from schemas.clustering.points import ClusteringConfig, OutliersDetected, PointsClustered, PointsObserved
from schemas.clustering.topics import CLUSTERED
from schemas.event import Event
from tests.pipeline.clustering.batches import Bench, blobs, emitted, observed

ABRUPT = streams.STRUCTURED["abrupt D=10"]().points


def alike(bench: Bench, events: list[PointsObserved]) -> ReceivedAlike[PointsObserved]:
    each = [bench.received(event) for event in events]
    columns = {
        "observed_at": np.array([event.observed_at for event in events]),
        "values": np.array([event.values for event in events]),
    }
    offsets = np.array([received.position.offset for received in each])
    timestamps = np.array([received.raw.timestamp for received in each])
    return ReceivedAlike(Alike(events[0], columns), 2, offsets, timestamps)


def cut(points: np.ndarray[tuple[int, int], np.dtype[np.float64]], size: int) -> list[PointsObserved]:
    return [observed(points[at : at + size], observed_at=at) for at in range(0, len(points) // size * size, size)]


def told(outcome: EmitEach, kind: type[Event]) -> list[Event | None]:
    return [emission.event for _, emission in outcome.others if isinstance(emission.event, kind)]


@pytest.mark.parametrize(("points", "size"), [(ABRUPT, 1), (ABRUPT, 7), (blobs(3000), 1)], ids=["1", "7", "blobs"])
def test_the_state_and_all_that_is_said_are_those_of_one_after_the_other(
    points: np.ndarray[tuple[int, int], np.dtype[np.float64]], size: int
) -> None:
    one, many = Bench(), Bench()
    events = cut(points, size)
    for bench in one, many:
        bench.apply(events[0])
    single = [one.apply(event) for event in events[1:]]
    outcomes = []
    for start in range(1, len(events), 500):
        outcome = many.step.apply_alike(alike(many, events[start : start + 500]), many.state)
        assert outcome is not None
        assert outcome.topic is CLUSTERED
        outcomes.append(outcome)
    assert many.step.snapshot(many.state) == one.step.snapshot(one.state)
    results = [outcome.results[index] for outcome in outcomes for index in range(len(outcome.results))]
    assert results == [batch for outcome in single for batch in emitted(outcome, PointsClustered)]
    for kind in OutliersDetected, DriftDetected:
        expected = [event for outcome in single for event in emitted(outcome, kind)]
        assert [event for outcome in outcomes for event in told(outcome, kind)] == expected
    if points is ABRUPT:
        assert any(emitted(outcome, DriftDetected) for outcome in single)


def test_every_emission_names_the_batch_that_caused_it() -> None:
    bench = Bench()
    bench.learn(blobs(500))
    far = np.vstack([blobs(20, seed=5), [[1e6, 1e6, 1e6]], blobs(20, seed=6)])
    received = alike(bench, cut(far, 1))
    outcome = bench.step.apply_alike(received, bench.state)
    assert outcome is not None
    for index, emission in outcome.others:
        if isinstance(emission.event, OutliersDetected):
            assert emission.event.source_offset == received.offsets[index]
    assert 20 in [index for index, emission in outcome.others if isinstance(emission.event, OutliersDetected)]


@pytest.mark.parametrize(
    "fields",
    [{"batch_id": "b"}, {"config": ClusteringConfig(threshold=0.5)}, {"dimension": 1}, {"stream": "no such name!"}],
    ids=lambda fields: next(iter(fields)),
)
def test_what_needs_a_look_of_its_own_is_left_with_nothing_changed(fields: dict[str, object]) -> None:
    bench = Bench()
    bench.learn(blobs(500))
    before = bench.step.snapshot(bench.state)
    events = [observed(row[None], **fields) for row in blobs(20)]
    assert bench.step.apply_alike(alike(bench, events), bench.state) is None
    assert bench.step.snapshot(bench.state) == before


def test_one_number_that_is_not_finite_sends_all_one_by_one() -> None:
    bench = Bench()
    bench.learn(blobs(500))
    points = blobs(20)
    points[7, 1] = np.nan
    assert bench.step.apply_alike(alike(bench, cut(points, 1)), bench.state) is None


@pytest.mark.parametrize("algorithm", [None, "river.DBSTREAM"])
def test_a_stream_that_has_not_begun_or_whose_learner_takes_one_at_a_time_is_left(algorithm: str | None) -> None:
    bench = Bench()
    if algorithm is not None:
        bench.learn(blobs(50), config=ClusteringConfig(algorithm))
    assert bench.step.apply_alike(alike(bench, cut(blobs(20), 1)), bench.state) is None


@settings(deadline=None)
@given(data=st.data(), held=st.sampled_from([0, 3, MAX_BIRTHS - 2, MAX_BIRTHS]))
def test_clusters_are_touched_in_the_same_order(data: st.DataObject, held: int) -> None:
    rows = np.array(data.draw(st.lists(st.tuples(*[st.integers(-1, 6)] * 3), min_size=1, max_size=12)))
    times = np.arange(len(rows)) * 10 + 5
    one, many = StreamState(), StreamState()
    for state in one, many:
        state.touch(range(1000, 1000 + held), 1)
    for row, at in zip(rows, times.tolist(), strict=True):
        one.touch([label for label in np.unique(row).tolist() if label >= 0], at)
    many.touch_each(rows, times)
    assert list(many.births.items()) == list(one.births.items())
    assert many.changed == one.changed


def test_coordinates_too_great_to_square_are_taken_as_in_single_batches() -> None:
    points = blobs(300)
    points[200] *= 1e200
    one, many = AdaptiveLearner(3), AdaptiveLearner(3)
    labels = np.concatenate([one.learn(row[None]).labels for row in points])
    assert (many.learn_sequence(points[:, None]).labels == labels).all()
    assert many.snapshot() == one.snapshot()


@pytest.mark.parametrize("shape", [(4, 3), (4, 0, 3), (4, 2, 5)], ids=str)
def test_a_sequence_of_another_shape_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="must be"):
        AdaptiveLearner(3).learn_sequence(np.zeros(shape))
