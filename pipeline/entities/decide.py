"""From a command to what is decided: `decide(ledger, command) -> Decision`, which changes nothing but the ledger."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

from pipeline.entities.decider import ArgumentsInvalid, Command, Decider, Rejected, Telling
from pipeline.entities.ledger import Ledger
from pipeline.outcome import Emission, Refuse
from pipeline.received import Received
from schemas.entity import Commanded, Decided, Entity

Deciders = Mapping[str, Decider[Entity]]
_STAMPS = frozenset({"version", "source_offset", "updated_at"})


@dataclass(frozen=True, slots=True)
class Decision:
    """`entity` is what it is from now on, None where it is gone or never was; `changed` are the names of its fields
    that are different, empty where the command left no trace; `emissions` are what else is told."""

    answer: Decided
    entity: Entity | None = None
    changed: tuple[str, ...] = ()
    emissions: Sequence[Emission] = ()
    audited: bool = True

    @property
    def rejected(self) -> bool:
        return self.answer.rejection is not None


def by_kind(*deciders: Decider[Any]) -> Deciders:
    """Raises ValueError where a command does not say who may give it: whoever could write to the log would command."""
    for decider in deciders:
        for name, rule in decider.rules.items():
            if not rule.guarded:
                raise ValueError(f"{decider.kind}.{name} does not say who may command it")
    return {decider.kind: decider for decider in deciders}


def command_of(received: Received[Commanded]) -> Command | Refuse:
    """The command, or why it is none."""
    event, raw = received.event, received.raw
    try:
        arguments = json.loads(event.arguments)
    except (ValueError, RecursionError) as error:
        return Refuse("arguments_invalid", f"the arguments are not JSON: {error}")
    if not isinstance(arguments, dict):
        return Refuse("arguments_invalid", "the arguments are no JSON object")
    return Command(
        event.entity,
        event.entity_id,
        event.command,
        arguments,
        event.expected_version,
        event.actor,
        raw.timestamp,
        raw.position.offset,
    )


def decide(deciders: Deciders, ledger: Ledger, command: Command) -> Decision | Refuse:
    """Refuses what no decider can have been meant by; rejects what cannot be done now."""
    decider = deciders.get(command.entity)
    if decider is None:
        return Refuse("entity_unknown", f"no entity is called {command.entity!r}; there are {', '.join(deciders)}")
    rule = decider.rules.get(command.name)
    if rule is None:
        known = ", ".join(decider.rules)
        return Refuse("command_unknown", f"a {command.entity} has no command {command.name!r}; there are {known}")
    before = ledger.find(command.entity, command.entity_id)
    if before is not None and command.expected_version not in (None, before.version):
        seen = f"it is at version {before.version}, not {command.expected_version}"
        return _answer(command, before, Rejected("version_conflict", f"It has been changed meanwhile: {seen}"))
    try:
        after = rule.decide(before, command, ledger)
    except ArgumentsInvalid as error:
        return Refuse("arguments_invalid", f"{command.entity}.{command.name}: {error}")
    emissions: Sequence[Emission] = ()
    if isinstance(after, Telling):
        emissions, after = after.emissions, after.entity
    rejected = after if isinstance(after, Rejected) else None
    wanted = after if not isinstance(after, Rejected) else after.entity or before
    decision = _enter(ledger, command, before, wanted, rejected)
    return replace(decision, emissions=emissions if decision.changed else (), audited=rule.audited)


def _enter(
    ledger: Ledger, command: Command, before: Entity | None, after: Entity | None, rejected: Rejected | None
) -> Decision:
    changed = _changed(before, after)
    if not changed:
        # What is the same in other words is no change either: nobody is told of it, so that its version would be known
        # to nobody, and forgotten by a crash.
        return _answer(command, before, rejected)
    if after is not None:
        if before is not None:
            version = before.version + 1
            after = replace(after, version=version, source_offset=command.offset, updated_at=command.at)
        taken = ledger.conflict(after, before)
        if taken is not None:
            name = taken[0].replace("_", " ")
            return _answer(command, before, Rejected(f"{taken[0]}_taken", f"This {name} is taken"))
    ledger.put(command.entity, command.entity_id, after)
    return Decision(_decided(command, after, rejected), after, changed)


def _answer(command: Command, entity: Entity | None, rejected: Rejected | None) -> Decision:
    return Decision(_decided(command, entity, rejected), entity)


def _decided(command: Command, entity: Entity | None, rejected: Rejected | None) -> Decided:
    return Decided(
        command.entity,
        command.entity_id,
        None if entity is None else entity.version,
        None if rejected is None else rejected.code,
        None if rejected is None else rejected.detail,
    )


def _changed(before: Entity | None, after: Entity | None) -> tuple[str, ...]:
    if after is before:
        return ()
    if before is None or after is None:
        return ("*",)
    names = (field.name for field in fields(after))
    return tuple(name for name in names if name not in _STAMPS and getattr(before, name) != getattr(after, name))
