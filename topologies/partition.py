"""What a worker holds of a partition: live states, and what of them the changelog does not have yet."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, Protocol, TypeVar

from pipeline.kafka.flight import Flight
from schemas.topic import Topic
from topologies.runs import Run


class Engine(Protocol):
    """What is needed of Faust: the current generation, a changelog, the states recovered from it."""

    @property
    def generation(self) -> int: ...

    def recovered(self, key: bytes) -> bytes | None: ...

    def recovered_of(self, partition: int) -> Iterable[tuple[str, bytes]]:
        """All that the partition's keys have, its own record left out."""

    def outdated_of(self, partition: int) -> Sequence[bytes]:
        """The keys of what is to be remembered once more, as it is, so that it is signed under the secret in force;
        the partition's own last. What was signed under no secret that is known is not recovered. Raises Broken where
        the states as a whole cannot be believed."""

    async def remember(self, partition: int, snapshots: Sequence[tuple[bytes, bytes]]) -> None:
        """Durable in the changelog when it returns. Raises Failure."""


M = TypeVar("M")


@dataclass(slots=True)
class Partition(Generic[M]):
    """What one epoch knows of a partition. `memory` is the work's own. `generation` is that of its last run; `dirty`:
    the work has something for the changelog that no run has brought."""

    number: int
    epoch: int
    due: int
    flight: Flight
    memory: M
    pending: list[Any] = field(default_factory=list)
    generation: int = 0
    dirty: bool = False
    records: int = 0
    since: float = 0.0
    not_before: float = 0.0
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    flushing: asyncio.Lock = field(default_factory=asyncio.Lock)


class Work(Protocol[M]):
    """What a street does with a partition's runs; the checkpoint sees to it that it is done effectively once."""

    @property
    def topic(self) -> Topic:
        """The input."""

    async def begin(self, number: int) -> M:
        """What is remembered of the partition, at the start of an epoch. Raises Failure."""

    async def __call__(self, partition: Partition[M], run: Run) -> None:
        """Applies the run to the memory, and launches what comes of it."""

    def settle(self, partition: Partition[M], *, final: bool) -> None:
        """Launches what is still owed to the world, if it is time; `final`: all of it, now."""

    def snapshots(self, partition: Partition[M]) -> list[tuple[bytes, bytes]]:
        """What of the memory the changelog does not have yet, in the order in which it must get it."""
