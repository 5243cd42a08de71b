"""What a worker holds of a partition: live states, and what of them the changelog does not have yet."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, Protocol, TypeVar

from pipeline.kafka.flight import Flight

S = TypeVar("S")


class Engine(Protocol):
    """What is needed of Faust: the current generation, a changelog, the states recovered from it."""

    @property
    def generation(self) -> int: ...

    def recovered(self, key: bytes) -> bytes | None: ...

    async def remember(self, partition: int, snapshots: Sequence[tuple[bytes, bytes]]) -> None:
        """Durable in the changelog when it returns. Raises Failure."""


@dataclass(slots=True)
class Live(Generic[S]):
    """A key's state in memory, and the last offset it has applied."""

    state: S
    applied: int


@dataclass(slots=True)
class Partition(Generic[S]):
    """What one epoch knows of a partition."""

    number: int
    epoch: int
    due: int
    flight: Flight
    live: dict[str, Live[S]] = field(default_factory=dict)
    dirty: dict[str, None] = field(default_factory=dict)
    pending: list[Any] = field(default_factory=list)
    records: int = 0
    since: float = 0.0
    not_before: float = 0.0
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    flushing: asyncio.Lock = field(default_factory=asyncio.Lock)
