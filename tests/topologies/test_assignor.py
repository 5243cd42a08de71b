"""Partitions are dealt whole, whatever the broker lists."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from aiokafka.cluster import ClusterMetadata
from aiokafka.protocol.metadata import MetadataResponse_v0 as Listed

from schemas.catalogue import changelog
from schemas.clustering.topics import OBSERVED
from topologies.app import create_app
from topologies.assignor import Assignor
from topologies.domains import load
from topologies.settings import WorkerSettings

TOPICS = {OBSERVED.name, changelog(OBSERVED)}


def cluster(**partitions: int) -> Any:
    """The metadata of a broker that lists so many partitions of these topics."""
    made = ClusterMetadata()
    names = {"source": OBSERVED.name, "changelog": changelog(OBSERVED)}
    topics = [
        (0, names[name], [(0, number, 1, [1], [1]) for number in range(count)]) for name, count in partitions.items()
    ]
    made.update_metadata(Listed([(1, "localhost", 9092)], topics))
    return made


@pytest.fixture
def assignor(tmp_path: Path) -> Assignor:
    made = create_app(WorkerSettings(data_dir=tmp_path), load("clustering")).assignor
    assert isinstance(made, Assignor)
    return made


@pytest.mark.parametrize(
    "listed",
    [
        pytest.param({}, id="nothing"),
        pytest.param({"source": 4}, id="no changelog"),
        pytest.param({"source": 4, "changelog": 2}, id="half a changelog"),
        pytest.param({"source": 4, "changelog": 4}, id="all"),
    ],
)
async def test_every_partition_is_dealt_with_its_state(assignor: Assignor, listed: dict[str, int]) -> None:
    members = {name: assignor.metadata(TOPICS) for name in ("one", "two")}
    dealt = assignor.assign(cluster(**listed), members)
    held = {name: dict(assignment.assignment) for name, assignment in dealt.items()}
    for partitions in held.values():
        assert sorted(partitions[OBSERVED.name]) == sorted(partitions[changelog(OBSERVED)]), (
            "a state where its input is"
        )
    for topic in TOPICS:
        assert sorted(number for partitions in held.values() for number in partitions[topic]) == [0, 1, 2, 3]
