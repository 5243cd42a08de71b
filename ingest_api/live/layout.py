"""Where readers stand: the watched partitions in one fixed order, and marks in them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

Place = tuple[str, int]
"""(topic, partition)."""
Vector = tuple[int, ...]
"""The next offset of every watched partition, in the order of a Layout."""


class Layout:
    """The watched topics and their partitions, in the order given."""

    def __init__(self, partitions: Mapping[str, int]) -> None:
        self.partitions = dict(partitions)
        self.places: tuple[Place, ...] = tuple(
            (topic, partition) for topic, count in partitions.items() for partition in range(count)
        )
        self.index: Mapping[Place, int] = {place: at for at, place in enumerate(self.places)}

    def of_topics(self, topics: Sequence[str]) -> list[int]:
        """The places of some topics."""
        return [at for at, (topic, _) in enumerate(self.places) if topic in topics]


@dataclass(frozen=True, slots=True)
class Mark:
    """Everything before `vector` has been told, and the first `skip` messages of the record at `place`."""

    vector: Vector
    place: int = 0
    skip: int = 0


def advanced(vector: Vector, place: int, offset: int) -> Vector:
    """The vector with another next offset at one place."""
    return (*vector[:place], offset, *vector[place + 1 :])
