"""A decider: what commands a kind of entity knows, and which of its values no two may share."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, Protocol, TypeAlias, TypeVar

import msgspec

from pipeline.outcome import Emission
from schemas.entity import Entity
from schemas.topic import Topic

E = TypeVar("E", bound=Entity)
A = TypeVar("A")

Mark = tuple[str, str]
"""(name, value): of a claim, `("username", "ada")`, or of a group, `("owner", "u1")`."""


@dataclass(frozen=True, slots=True)
class Command:
    """A command as the log has it. `at` is the log's own time of it, in microseconds: the only clock a decider has, for
    what it decides must come out the same when it is read again. `offset` orders all commands."""

    entity: str
    entity_id: str
    name: str
    arguments: Mapping[str, Any]
    expected_version: int | None
    actor: str
    at: int
    offset: int

    @property
    def birth(self) -> dict[str, Any]:
        """The first fields of an entity that this command makes."""
        return {
            "id": self.entity_id,
            "version": 1,
            "source_offset": self.offset,
            "created_at": self.at,
            "updated_at": self.at,
        }


@dataclass(frozen=True, slots=True)
class Rejected:
    """The command is not carried out: a stable code and a sentence for whoever sent it. `entity` is what the attempt
    made of the entity, where it left a trace."""

    code: str
    detail: str
    entity: Entity | None = None


@dataclass(frozen=True, slots=True)
class Telling(Generic[E]):
    """The entity as it is from now on, and what else is told because of it: not where the entity stays as it was, or
    another holds what it claims. Told again, to the byte, where it is decided again after a crash."""

    entity: E
    emissions: Sequence[Emission]


After: TypeAlias = E | Telling[E] | Rejected
"""What a command makes of an entity."""


class Others(Protocol):
    """What a decider may know of the other entities of its street."""

    def get(self, kind: type[E], entity_id: str) -> E | None: ...

    def holder(self, kind: type[Entity], claim: Mark) -> str | None:
        """The id of the entity that holds a claim."""

    def count(self, kind: type[Entity], group: Mark) -> int:
        """How many entities are in a group."""

    def first(self, kind: type[Entity]) -> bool:
        """Whether there is no entity of the kind yet."""


class ArgumentsInvalid(ValueError):
    """They are not what the command takes."""


@dataclass(frozen=True)
class Rule(Generic[E]):
    """One command: `decide(entity, command, others)` gives the entity as it is from now on (None: it is gone; the very
    same: nothing changes), alone or with what is told because of it, or a rejection. `audited` is false for what a
    machine says of itself again and again. `guarded` says that it looks at who commands: one that does not is not
    served (`pipeline.entities.decide.by_kind`)."""

    decide: Callable[[E | None, Command, Others], After[E] | None]
    audited: bool = True
    guarded: bool = False


@dataclass(frozen=True)
class Decider(Generic[E]):
    """All there is to a kind of entity. `claims` are values that only one entity may have at a time; by `groups`
    entities are counted."""

    topic: Topic
    rules: Mapping[str, Rule[E]]
    claims: Callable[[E], Iterable[Mark]] = field(default=lambda _: ())
    groups: Callable[[E], Iterable[Mark]] = field(default=lambda _: ())

    @property
    def record(self) -> type[Entity]:
        assert issubclass(self.topic.record, Entity)
        return self.topic.record

    @property
    def kind(self) -> str:
        return self.record.KIND


def making(takes: type[A], make: Callable[[A, Command, Others], After[E]], *, audited: bool = True) -> Rule[E]:
    """A command that makes an entity; it must not exist yet."""

    def decide(entity: E | None, command: Command, others: Others) -> After[E] | None:
        if entity is not None:
            return Rejected("exists", f"There is a {command.entity} of this id already")
        return make(read(takes, command.arguments), command, others)

    return Rule(decide, audited)


def changing(
    takes: type[A],
    change: Callable[[E, A, Command, Others], After[E] | None],
    *,
    audited: bool = True,
) -> Rule[E]:
    """A command to an entity that exists."""

    def decide(entity: E | None, command: Command, others: Others) -> After[E] | None:
        if entity is None:
            return Rejected("not_found", f"There is no such {command.entity}")
        return change(entity, read(takes, command.arguments), command, others)

    return Rule(decide, audited)


def read(takes: type[A], arguments: Mapping[str, Any]) -> A:
    """Raises ArgumentsInvalid."""
    try:
        return msgspec.convert(arguments, takes)
    except msgspec.ValidationError as error:
        raise ArgumentsInvalid(str(error)) from error


@dataclass(frozen=True, slots=True)
class Nothing:
    """The arguments of a command that takes none."""
