"""A processor with two inputs and timers, small enough to see through: each key remembers in which order it saw all."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from pipeline.outcome import Emission, Emit, Outcome, Refuse
from pipeline.received import Punctuation, Received
from pipeline.step import Input
from schemas.clustering.points import OutliersDetected, PointsObserved
from schemas.clustering.topics import OBSERVED, OUTLIERS
from schemas.codec import Codec
from schemas.position import Position
from schemas.state import Sequenced, State
from tests.doubles.log import MemoryLog
from tests.topologies.tally import FaustEvent, Record, Recovered, end
from topologies.checkpoint import Checkpoint, Rhythm
from topologies.deliver import Deliver
from topologies.intake import Placement
from topologies.merge import Merge, Merged
from topologies.runs import Assignment, Run

CODEC = Codec()
LEFT, RIGHT = (replace(OBSERVED, name=f"relay.{side}.v1") for side in ("left", "right"))
RELAY = State("relay", (LEFT, RIGHT))
SEEN = replace(OUTLIERS, name="relay.seen.v1")
PATIENCE = 1_000_000
"""Microseconds after the last record of a key at which it is due."""


def other(key: str) -> bytes:
    """The key under which a key's outputs go on."""
    return f"{key} seen".encode()


@dataclass
class Memory:
    seen: list[str] = field(default_factory=list)
    due: int | None = None


class Side:
    """One input. Refuses what has the source `refuse`."""

    kind = PointsObserved

    def __init__(self, letter: str) -> None:
        self._letter = letter

    def key(self, event: PointsObserved) -> str | Refuse:
        return event.stream

    def apply(self, received: Received[PointsObserved], state: Memory) -> Outcome:
        if received.event.source == "refuse":
            return Refuse("unwanted", "the test says so")
        state.seen.append(f"{self._letter}{received.position.offset}")
        state.due = received.raw.timestamp + PATIENCE
        return Emit((seen(received.position, received.event.stream, state),))


class Relay:
    """What it sends on tells all that it has seen: another order would be another record."""

    state = RELAY
    inputs: Mapping[str, Input[Any, Memory]] = {LEFT.name: Side("l"), RIGHT.name: Side("r")}

    def restore(self, snapshot: bytes | None) -> Memory:
        return Memory() if snapshot is None else Memory(**json.loads(snapshot))

    def snapshot(self, state: Memory) -> bytes:
        return json.dumps({"seen": state.seen, "due": state.due}).encode()

    def forfeit(self, state: Memory, reason: str) -> Memory:
        return Memory()

    def settle(self, state: Memory, *, final: bool) -> Sequence[Emission]:
        return ()

    def due(self, state: Memory) -> int | None:
        return state.due

    def punctuate(self, punctuation: Punctuation, state: Memory) -> Sequence[Emission]:
        state.seen.append("t")
        state.due = None
        return (seen(punctuation.position, punctuation.key, state),)


def seen(cause: Position, key: str, state: Memory) -> Emission:
    """In place of a stream's name: the key, its cause, and what has been seen."""
    said = f"{key} {cause} {','.join(state.seen)}"
    event = OutliersDetected(said, cause.partition, cause.offset, None, 1, 1, [], np.zeros(0), np.zeros(0))
    return Emission(SEEN, event, other(key))


class MemorySequence:
    """`SequenceLog` in memory, which a crash does not touch."""

    def __init__(self, entries: Iterable[Sequenced] = ()) -> None:
        self.entries = list(entries)

    async def read(self, partition: int, start: int) -> tuple[Sequence[tuple[int, Sequenced]], int]:
        return list(enumerate(self.entries))[start:], len(self.entries)

    async def append(self, partition: int, entry: Sequenced) -> int:
        self.entries.append(entry)
        return len(self.entries) - 1


class Worker:
    """A worker on a changelog, an order and a log; another one may follow it."""

    def __init__(self, log: MemoryLog, engine: Recovered, sequence: MemorySequence, **starts: int) -> None:
        self.now = 0
        self.engine = engine
        deliver = Deliver(log, CODEC, lambda: 1)  # type: ignore[arg-type]
        self.work = Merge(Relay(), engine, deliver, CODEC, Placement(1), sequence, lambda: self.now)
        self.point: Checkpoint[Merged[Memory]] = Checkpoint(self.work, engine, end, Rhythm(pulse_seconds=0))
        self.starts = {LEFT.name: starts.get("left", 0), RIGHT.name: starts.get("right", 0)}
        engine.assigned = Assignment(1, {0: self.starts}, active=True)

    async def take(self, *records: Record) -> FaustEvent:
        """A run of one topic."""
        topic = records[0].topic
        event = FaustEvent(Run(topic, 1, self.starts[topic], records[0].offset, list(records)), 0, 1)
        await self.point.take(event)
        return event

    async def wake(self) -> None:
        await self.point._begin_assigned()
        for partition in self.point._partitions.values():
            await self.point._wake(partition)


def left(offset: int, key: str = "a", source: str | None = None) -> Record:
    return _record(LEFT.name, offset, key, source)


def right(offset: int, key: str = "a", source: str | None = None) -> Record:
    return _record(RIGHT.name, offset, key, source)


def told(log: MemoryLog) -> list[tuple[str, str]]:
    """(key, what was seen by then), as it was sent on."""
    events = [CODEC.decode(each.value or b"", OutliersDetected).stream.split(" ") for each in log.of(SEEN.name)]
    return [(key, history) for key, _, history in events]


def _record(topic: str, offset: int, key: str, source: str | None) -> Record:
    event = PointsObserved(key, 1, 1, np.zeros(1), source=source)
    return Record(offset, key.encode(), CODEC.encode(event), topic=topic, timestamp=offset)
