"""The one shape every stateful street has: a record and a state in, an outcome out."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Protocol, TypeVar, runtime_checkable

from pipeline.outcome import Emission, EmitEach, Outcome, Refuse
from pipeline.received import Punctuation, Received, ReceivedAlike
from schemas.event import Event
from schemas.state import State
from schemas.topic import Topic

E = TypeVar("E", bound=Event)
S = TypeVar("S")
Changed = TypeVar("Changed", contravariant=True)
"""A state that is changed, and not given."""


class Stateful(Protocol[S]):
    """States that the caller keeps, by key, and writes down as bytes."""

    def restore(self, snapshot: bytes | None) -> S:
        """The state as snapshot, or a new one. Raises Broken for bytes that are no snapshot."""

    def snapshot(self, state: S) -> bytes:
        """At most `MAX_SNAPSHOT` of `topologies.states` bytes, or the state is given up: see `forfeit`."""

    def forfeit(self, state: S, reason: str) -> S:
        """The state to keep in place of one that cannot be kept: it refuses what comes until it is reset."""

    def settle(self, state: S, *, final: bool) -> Sequence[Emission]:
        """What the state still owes the world since it last told, if it is time; `final`: all it owes, now."""


class Step(Stateful[S], Protocol[E, S]):
    """Pure: no I/O, no clock but the one it was made with. States belong to keys; the caller keeps them."""

    @property
    def topic(self) -> Topic:
        """The input."""

    @property
    def kind(self) -> type[E]:
        """Its record."""

    def key(self, event: E) -> str | Refuse:
        """Whose state the record needs, never empty; equals the record's Kafka key. A name that nothing may have is
        refused here, before it has a state."""

    def exists(self, state: S) -> bool:
        """Whether there is anything in it to keep."""

    def holds(self, snapshot: bytes) -> bool:
        """`exists` of the state that it was made of, without making it again."""

    def apply(self, received: Received[E], state: S, room: bool = True) -> Outcome:
        """What the record does. May change the state; a refused record must leave it able to go on, and one that does
        not exist as it is. Without `room` a state that does not exist must not begin."""


@runtime_checkable
class AlikeStep(Step[E, S], Protocol[E, S]):
    """A step that takes many small records at once, for which a call each would cost more than the work."""

    @property
    def numbers(self) -> Collection[str]:
        """The integers in which records may differ and still be alike; arrays of doubles always may."""

    def apply_alike(self, received: ReceivedAlike[E], state: S) -> EmitEach | None:
        """What `apply` would do with one after the other. None, with nothing changed, if they must come one by one."""


class Input(Protocol[E, Changed]):
    """What the records of one input do to a state that has several."""

    @property
    def kind(self) -> type[E]:
        """The input's record."""

    def key(self, event: E) -> str | Refuse:
        """As `Step.key`."""

    def apply(self, received: Received[E], state: Changed) -> Outcome:
        """As `Step.apply`."""


class Processor(Stateful[S], Protocol[S]):
    """Pure, as a step; but its states are changed by several co-partitioned inputs, and by time (Kafka Streams: a
    `Processor` with several sources and punctuation)."""

    @property
    def state(self) -> State: ...

    @property
    def inputs(self) -> Mapping[str, Input[Any, S]]:
        """By topic: every input of the state."""

    def due(self, state: S) -> int | None:
        """When `punctuate` is to be called next, in microseconds since the epoch; None: not by time. Asked after every
        change of the state."""

    def punctuate(self, punctuation: Punctuation, state: S) -> Sequence[Emission]:
        """What that time, which is `due` or later, does to the state. It is the log's: the same whenever the log is
        read again."""
