"""What a domain's workers keep by key: which topics change it, and in which order it was changed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import ClassVar

from schemas.event import Event
from schemas.topic import Topic, Writer


@dataclass(frozen=True, slots=True, eq=False)
class Sequenced(Event):
    """What a worker applies next to the states of a partition: the records of `topic` up to the offset `ends`, which
    is the next one's; where `topic` is None, the time `at`, at which some keys are due."""

    SCHEMA: ClassVar[str] = "inputs.sequenced.v1"

    topic: str | None
    ends: int
    at: int


@dataclass(frozen=True, slots=True)
class State:
    """States by key, changed by the records of one or several co-partitioned `inputs`, and by time.

    Of several inputs, and of records and time, nobody could say later which came first: so the order in which they
    were applied is a topic too, `sequence`, kept as long as the inputs are.
    """

    name: str
    inputs: tuple[Topic, ...]

    @property
    def partitions(self) -> int:
        """Of each input; 0 for the cluster-wide number."""
        return self.inputs[0].partitions

    @property
    def topics(self) -> tuple[Topic, ...]:
        """All there must be for it, but for its changelog."""
        return (*self.inputs, self.sequence)

    @property
    def sequence(self) -> Topic:
        retention = max((topic.retention for topic in self.inputs), default=timedelta(days=7))
        name = f"{self.name.replace('-', '.')}.sequenced.v1"
        return Topic(name, Sequenced, "none", Writer.WORKERS, retention, partitions=self.partitions)
