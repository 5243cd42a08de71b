"""Of a key's snapshots the one with the greatest applied offset wins, whatever order the changelog has."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, cast

import pytest
from faust.types import TP
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from schemas.catalogue import state_of
from schemas.clustering.topics import OBSERVED
from topologies.app import create_app
from topologies.domains import load
from topologies.framing import key_of, pack, unpack
from topologies.settings import WorkerSettings
from topologies.snapshots import SnapshotTable


@dataclass
class Record:
    key: bytes | None
    value: bytes | None
    partition: int = 0


@dataclass
class Message:
    value: Sequence[Record]


class Event:
    """A changelog event as Faust's recovery applies it: the records of a fetch."""

    def __init__(self, *records: Record) -> None:
        self.message = Message(records)


@pytest.fixture
async def recovered(tmp_path: Path) -> SnapshotTable:
    app = create_app(WorkerSettings(data_dir=tmp_path), load("clustering"))
    return cast(SnapshotTable, app.tables[state_of(OBSERVED)])


def test_packing_keeps_offset_and_body() -> None:
    assert unpack(pack(2**40, b"body")) == (2**40, b"body")


def test_the_same_key_on_two_partitions_has_two_states() -> None:
    assert key_of(1, "s") != key_of(2, "s")
    assert key_of(1, "") != key_of(1, "s")


async def test_what_is_of_a_partition_that_is_anothers_leaves_the_memory(recovered: SnapshotTable) -> None:
    """Recovered or written since, and nothing of those that stay."""
    recovered.apply_changelog_batch([cast(Any, Event(*(Record(b"%d/a" % at, pack(1, b""), at) for at in (1, 2, 12))))])
    for at in (1, 2, 12):
        recovered.data[b"%d/b" % at] = pack(2, b"")  # as the engine remembers it
    await recovered.on_recovery_completed({TP("changelog", 2)}, set())
    assert dict(recovered.data) == {b"2/a": pack(1, b""), b"2/b": pack(2, b"")}


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    writes=st.lists(st.tuples(st.sampled_from([b"0/a", b"0/b"]), st.integers(0, 50)), max_size=30),
    cuts=st.lists(st.integers(0, 30), max_size=3),
    batched=st.booleans(),
)
def test_recovery_keeps_the_greatest_in_any_order_and_batching(
    recovered: SnapshotTable, writes: list[tuple[bytes, int]], cuts: list[int], batched: bool
) -> None:
    recovered.data.clear()
    records = [Record(key, pack(applied, b"%d" % applied)) for key, applied in writes]
    ends = [0, *sorted(cuts), len(records)]
    events: list[Any] = [Event(*records[begin:end]) for begin, end in pairwise(ends)]
    for batch in [events] if batched else [[event] for event in events]:
        recovered.apply_changelog_batch(batch)
    for key in (b"0/a", b"0/b"):
        offsets = [applied for written, applied in writes if written == key]
        held = recovered.data.get(key)
        assert (unpack(held) if held is not None else None) == (
            (max(offsets), b"%d" % max(offsets)) if offsets else None
        )


@pytest.mark.parametrize("record", [Record(b"0/a", None), Record(b"0/a", b"short"), Record(None, pack(2, b"y"))])
def test_what_is_no_snapshot_changes_nothing(recovered: SnapshotTable, record: Record) -> None:
    recovered.apply_changelog_batch(cast(Any, [Event(Record(b"0/a", pack(1, b"x")), record)]))
    assert dict(recovered.data.items()) == {b"0/a": pack(1, b"x")}
