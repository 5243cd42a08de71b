"""The closed set of ways a step may end. Only `topologies/deliver.py` acts on them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from schemas.alike import Alike
from schemas.event import Event
from schemas.topic import Topic


@dataclass(frozen=True, slots=True)
class Emission:
    """One record for one topic. A `key` of None is the key of the record that caused it; `event` None a tombstone."""

    topic: Topic
    event: Event | None
    key: bytes | None = None


@dataclass(frozen=True, slots=True)
class Emit:
    """The record was used. `answer` goes to whoever asked."""

    emissions: Sequence[Emission] = ()
    answer: Event | None = None


@dataclass(frozen=True, slots=True)
class EmitEach:
    """Records alike were all used: one result each for `topic`, and `others`, each with the index of its cause."""

    topic: Topic
    results: Alike[Any]
    others: Sequence[tuple[int, Emission]] = ()


@dataclass(frozen=True, slots=True)
class Drop:
    """The record is of no use to anyone and its sender loses nothing by it; counted by `reason`."""

    reason: str
    answer: Event | None = None


@dataclass(frozen=True, slots=True)
class Refuse:
    """The record cannot be used. It goes to the dead letters with a stable `reason` code and a sentence."""

    reason: str
    detail: str
    schema_id: int | None = None


@dataclass(frozen=True, slots=True)
class Divert:
    """The record belongs elsewhere: it goes to `topic` as it is."""

    topic: Topic
    reason: str


Outcome = Emit | Drop | Refuse | Divert
