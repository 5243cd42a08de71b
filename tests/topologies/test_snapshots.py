"""Of a key's snapshots the one with the greatest applied offset wins, whatever order the changelog has."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from schemas.catalogue import state_of
from schemas.clustering.topics import OBSERVED
from topologies.app import create_app
from topologies.settings import WorkerSettings
from topologies.snapshots import SnapshotTable, key_of, pack, unpack


@dataclass
class Message:
    value: bytes | None
    partition: int = 0


class Event:
    """A changelog event as Faust's recovery applies it."""

    def __init__(self, key: bytes, value: bytes | None) -> None:
        self.key, self.value, self.message = key, value, Message(value)


@pytest.fixture
async def recovered(tmp_path: Path) -> SnapshotTable:
    app = create_app(WorkerSettings(data_dir=tmp_path))
    return cast(SnapshotTable, app.tables[state_of(OBSERVED)])


def test_packing_keeps_offset_and_body() -> None:
    assert unpack(pack(2**40, b"body")) == (2**40, b"body")


def test_the_same_key_on_two_partitions_has_two_states() -> None:
    assert key_of(1, "s") != key_of(2, "s")
    assert key_of(1, "") != key_of(1, "s")


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    writes=st.lists(st.tuples(st.sampled_from([b"0/a", b"0/b"]), st.integers(0, 50)), max_size=30),
    cut=st.integers(0, 30),
)
def test_recovery_keeps_the_greatest_in_any_order_and_batching(
    recovered: SnapshotTable, writes: list[tuple[bytes, int]], cut: int
) -> None:
    recovered.data.clear()
    events: list[Any] = [Event(key, pack(applied, b"%d" % applied)) for key, applied in writes]
    recovered.apply_changelog_batch(events[:cut])
    recovered.apply_changelog_batch(events[cut:])
    for key in (b"0/a", b"0/b"):
        offsets = [applied for written, applied in writes if written == key]
        held = recovered.data.get(key)
        assert (unpack(held) if held is not None else None) == (
            (max(offsets), b"%d" % max(offsets)) if offsets else None
        )


@pytest.mark.parametrize("value", [None, b"short"])
def test_what_is_no_snapshot_changes_nothing(recovered: SnapshotTable, value: bytes | None) -> None:
    recovered.apply_changelog_batch(cast(Any, [Event(b"0/a", pack(1, b"x")), Event(b"0/a", value)]))
    assert recovered.data[b"0/a"] == pack(1, b"x")
