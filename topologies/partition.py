"""What a worker holds of a partition: live states, and what of them the changelog does not have yet."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, Protocol, TypeVar

from pipeline.kafka.flight import Flight
from schemas.topic import Topic
from topologies.runs import Assignment, Run


class Engine(Protocol):
    """What is needed of Faust: the current generation, a changelog, the states recovered from it."""

    @property
    def generation(self) -> int: ...

    def assignment(self) -> Assignment | None:
        """What is held of the work's topics now; None while a rebalance goes on."""

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
    """What one epoch knows of a partition. `memory` is the work's own. By topic: `starts`, where this epoch's reading
    begins, `due`, at which offset the next run begins, and `applied`, up to which offset all is applied. `pending` are
    Faust's events with their runs that are not acknowledged. `generation` is that of its last run; `dirty`: the work
    has something for the changelog that no run has brought."""

    number: int
    epoch: int
    starts: Mapping[str, int]
    flight: Flight
    memory: M
    due: dict[str, int] = field(init=False)
    applied: dict[str, int] = field(init=False)
    pending: list[tuple[Run, Any]] = field(default_factory=list)
    generation: int = 0
    dirty: bool = False
    records: int = 0
    since: float = 0.0
    not_before: float = 0.0
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    flushing: asyncio.Lock = field(default_factory=asyncio.Lock)

    def __post_init__(self) -> None:
        self.due, self.applied = dict(self.starts), dict(self.starts)

    def has_applied(self, run: Run) -> None:
        """All of it."""
        self.records += len(run.records)
        self.applied[run.topic] = run.ends

    def take_done(self) -> list[Any]:
        """The events whose runs are applied, in the order in which they came; they are pending no more."""
        done = [event for run, event in self.pending if run.ends <= self.applied[run.topic]]
        self.pending = [each for each in self.pending if each[0].ends > self.applied[each[0].topic]]
        return done


class Work(Protocol[M]):
    """What a street does with a partition's runs; the checkpoint sees to it that it is done effectively once."""

    @property
    def topics(self) -> Sequence[Topic]:
        """The inputs."""

    @property
    def eager(self) -> bool:
        """Whether it has something to do though no run comes: a partition is begun when it is assigned."""

    async def begin(self, number: int, starts: Mapping[str, int]) -> M:
        """What is remembered of the partition, at the start of an epoch that reads from there. Raises Failure."""

    async def __call__(self, partition: Partition[M], run: Run) -> None:
        """Applies the run to the memory, and launches what comes of it: at once, or later, when it is its turn.
        `Partition.applied` tells how far it is."""

    async def wake(self, partition: Partition[M]) -> None:
        """Does what is due by time, if it has timers."""

    def settle(self, partition: Partition[M], *, final: bool) -> None:
        """Launches what is still owed to the world, if it is time; `final`: all of it, now."""

    def snapshots(self, partition: Partition[M]) -> list[tuple[bytes, bytes]]:
        """What of the memory the changelog does not have yet, in the order in which it must get it; the partition's
        own record comes last, and says how far it is."""
