"""A step small enough to see through: per key it counts, and remembers the order it saw."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, NoReturn

import numpy as np

from pipeline.outcome import Drop, Emission, Emit, Outcome, Refuse
from pipeline.received import Received
from schemas.clustering.points import OutliersDetected, PointsObserved
from schemas.clustering.topics import OBSERVED, OUTLIERS
from schemas.codec import Codec
from schemas.topic import Topic
from tests.doubles.log import MemoryLog
from topologies.apply import Apply, Counted
from topologies.checkpoint import Checkpoint, Rhythm
from topologies.deliver import Deliver
from topologies.intake import Placement
from topologies.quota import quota_key
from topologies.runs import Assignment, Run
from topologies.states import MAX_LIVE

CODEC = Codec()


@dataclass
class Tally:
    seen: list[int] = field(default_factory=list)
    padding: int = 0
    forfeited: str = ""
    owing: bool = False


class TallyStep:
    """Refuses a batch of the source `refuse`, drops one of `drop`, raises for `raise`, grows for `grow`. No key is
    empty."""

    topic: Topic = OBSERVED
    kind = PointsObserved

    def key(self, event: PointsObserved) -> str | Refuse:
        return event.stream or Refuse("unnamed", "the test says so")

    def restore(self, snapshot: bytes | None) -> Tally:
        return Tally() if snapshot is None else Tally(**json.loads(snapshot.rstrip(b" ")))

    def snapshot(self, state: Tally) -> bytes:
        body = {"seen": state.seen, "padding": state.padding, "forfeited": state.forfeited}
        return json.dumps(body).encode() + b" " * state.padding

    def forfeit(self, state: Tally, reason: str) -> Tally:
        return Tally(forfeited=reason)

    def exists(self, state: Tally) -> bool:
        return True

    def holds(self, snapshot: bytes) -> bool:
        return True

    def apply(self, received: Received[PointsObserved], state: Tally, room: bool = True) -> Outcome:
        source = received.event.source
        if source == "raise":
            raise RuntimeError("the step is broken")
        if source == "refuse":
            return Refuse("unwanted", "the test says so")
        if source == "drop":
            return Drop("unneeded")
        if source == "grow":
            state.padding = 8 * 1024 * 1024
        state.seen.append(received.position.offset)
        state.owing = True
        return Emit((Emission(OUTLIERS, _event(received.position.partition, received.position.offset)),))

    def settle(self, state: Tally, *, final: bool) -> Sequence[Emission]:
        if not (state.owing and final):
            return ()
        state.owing = False
        return (Emission(OUTLIERS, _event(-1, len(state.seen))),)


class Recovered:
    """An engine whose changelog is a dict; `generation` is set by the test."""

    def __init__(self, log: MemoryLog) -> None:
        self.generation = 1
        self.assigned: Assignment | None = None
        self.table: dict[bytes, bytes] = {}
        self.remembered: list[tuple[int, list[bytes]]] = []
        self._log = log
        self.landed_before: list[int] = []
        self.outdated: list[bytes] = []
        self.torn_after: int | None = None
        """So many of the next snapshots are written: the worker ends in between."""

    def assignment(self) -> Assignment | None:
        return self.assigned

    def recovered(self, key: bytes) -> bytes | None:
        return self.table.get(key)

    def recovered_of(self, partition: int) -> Iterable[tuple[str, bytes]]:
        own = b"%d/" % partition
        return [
            (key[len(own) :].decode(), value) for key, value in self.table.items() if key.startswith(own) and key != own
        ]

    def outdated_of(self, partition: int) -> Sequence[bytes]:
        return self.outdated

    async def remember(self, partition: int, snapshots: Sequence[tuple[bytes, bytes]]) -> None:
        self.landed_before.append(self._log.pending)
        self.remembered.append((partition, [key for key, _ in snapshots]))
        self.table.update(snapshots[: self.torn_after])


class Ended(Exception):
    """Where the process would have ended."""


def end(reason: str) -> NoReturn:
    raise Ended(reason)


@dataclass
class Record:
    offset: int
    key: bytes
    value: bytes
    partition: int = 0
    topic: str = OBSERVED.name
    timestamp: int = 1_700_000_000_000
    headers: tuple[Any, ...] = ()


@dataclass
class FakeMessage:
    value: Run
    partition: int
    generation_id: int


class FaustEvent:
    """What Faust hands an agent."""

    def __init__(self, run: Run, partition: int, generation: int) -> None:
        self.message = FakeMessage(run, partition, generation)
        self.acks = 0

    @property
    def acked(self) -> bool:
        return self.acks > 0

    def ack(self) -> None:
        self.acks += 1


def record(offset: int, key: str = "a", source: str | None = None, value: bytes | None = None) -> Record:
    event = PointsObserved(key, 1, 1, np.zeros(1), source=source)
    return Record(offset, key.encode(), CODEC.encode(event) if value is None else value)


def run(*records: Record, begins: int | None = None, start: int = 0, epoch: int = 1, generation: int = 1) -> FaustEvent:
    first = records[0].offset if begins is None else begins
    return FaustEvent(Run(OBSERVED.name, epoch, start, first, list(records)), 0, generation)


def checkpoint(
    log: MemoryLog, engine: Recovered, rhythm: Rhythm | None = None, max_live: int = MAX_LIVE
) -> Checkpoint[Counted[Tally]]:
    deliver = Deliver(log, CODEC, lambda: 1)  # type: ignore[arg-type]
    breath = (rhythm or Rhythm()).breath_seconds
    work = Apply(TallyStep(), engine, deliver, CODEC, Placement(1), breath, max_live)
    return Checkpoint(work, engine, end, rhythm or Rhythm())


def seen(engine: Recovered, key: str = "a") -> list[int]:
    """What the changelog remembers of a key."""
    body = engine.table[b"0/" + key.encode()][8:]
    return list(json.loads(body.rstrip(b" "))["seen"])


def states(table: dict[bytes, bytes]) -> dict[bytes, bytes]:
    """Without the count of them, which is as of a checkpoint."""
    return {key: value for key, value in table.items() if key != quota_key(0)}


def _event(partition: int, offset: int) -> OutliersDetected:
    return OutliersDetected("s", partition, offset, None, 1, 1, [], np.zeros(0), np.zeros(0))
