"""The own record of a partition with one input: the offset that its state has reached."""

from __future__ import annotations

from typing import Any

from pipeline.errors import Broken
from schemas.topic import Topic
from topologies.framing import key_of, pack, unpack
from topologies.partition import Engine, Partition


def check_reached(engine: Engine, topic: Topic, number: int, start: int) -> None:
    """Raises Broken where the state is behind `start`, the offset that the group has committed."""
    value = engine.recovered(key_of(number, ""))
    reached = unpack(value)[0] if value is not None else None
    if reached is not None and reached < start:
        raise Broken(f"{topic.name}-{number}: the state has reached {reached} but {start} is committed")


def record_reached(partition: Partition[Any], topic: Topic) -> tuple[bytes, bytes]:
    """Key and value for the changelog."""
    return key_of(partition.number, ""), pack(partition.applied[topic.name], b"")
