"""What is remembered of a stream survives its snapshot, within bounds."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.clustering.state import MAX_BIRTHS, MAX_RECENT, UNKNOWN_BODY, StreamState, from_bytes, to_bytes
from pipeline.errors import Broken
from tests.pipeline.clustering.batches import Bench, blobs


def test_no_snapshot_is_a_stream_that_does_not_exist() -> None:
    state = from_bytes(None)
    assert not state.exists
    assert to_bytes(state) == to_bytes(StreamState())


@pytest.mark.parametrize("snapshot", [b"", b"x", msgspec.msgpack.encode([1, 2]), msgspec.msgpack.encode({"a": 1})])
def test_bytes_that_are_no_snapshot_are_broken(snapshot: bytes) -> None:
    with pytest.raises(Broken):
        from_bytes(snapshot)


def test_a_snapshot_of_another_version_names_both() -> None:
    later = msgspec.msgpack.decode(to_bytes(StreamState()))
    later[0] = 99
    with pytest.raises(Broken, match=r"99.*reads 1"):
        from_bytes(msgspec.msgpack.encode(later))


def test_a_damaged_learner_is_broken() -> None:
    bench = Bench()
    bench.learn(blobs(50))
    snapshot = bytearray(bench.step.snapshot(bench.state))
    snapshot[len(snapshot) // 2] ^= 1
    with pytest.raises(Broken):
        from_bytes(bytes(snapshot))


@given(st.lists(st.text(min_size=1, max_size=8), max_size=40), st.integers(0, 40))
def test_recent_batch_ids_are_known_after_a_snapshot(batch_ids: list[str], cut: int) -> None:
    state = StreamState()
    for number, batch_id in enumerate(batch_ids):
        if number == cut:
            state = from_bytes(to_bytes(state))
        if state.body_of(batch_id) is None:
            state.see(batch_id, b"%08d" % number)
    firsts = {batch_id: b"%08d" % batch_ids.index(batch_id) for batch_id in batch_ids}
    assert {batch_id: from_bytes(to_bytes(state)).body_of(batch_id) for batch_id in batch_ids} == firsts


def test_a_snapshot_from_before_bodies_were_remembered_still_knows_its_batch_ids() -> None:
    state = StreamState()
    state.see("a", b"12345678")
    older = msgspec.msgpack.encode(msgspec.msgpack.decode(to_bytes(state))[:-1])
    assert from_bytes(older).body_of("a") == UNKNOWN_BODY
    assert from_bytes(older).body_of("b") is None


def test_the_oldest_batch_ids_are_forgotten_first() -> None:
    state = StreamState()
    for number in range(MAX_RECENT + 10):
        state.see(str(number), b"12345678")
    assert state.body_of("9") is None
    assert state.body_of("10") is not None
    assert len(state.recent) == MAX_RECENT


def test_a_cluster_lives_from_its_first_batch_to_its_last() -> None:
    state = StreamState(created_at=1)
    state.touch([1, 2], 10)
    state.touch([1], 20)
    assert (state.lifetime(1), state.lifetime(2), state.lifetime(3)) == ((10, 20), (10, 10), (1, 1))
    assert state.changed == {1, 2}


@given(st.lists(st.sets(st.integers(1, MAX_BIRTHS + 200), max_size=300), max_size=8), st.integers(0, 8))
def test_times_are_bounded_and_the_same_whenever_a_snapshot_was_taken(touches: list[set[int]], cut: int) -> None:
    straight, restarted = StreamState(), StreamState()
    for at, ids in enumerate(touches):
        if at == cut:
            restarted = from_bytes(to_bytes(restarted))
        for state in (straight, restarted):
            state.touch(sorted(ids), at)
    assert to_bytes(straight) == to_bytes(restarted)
    assert len(straight.births) <= MAX_BIRTHS
