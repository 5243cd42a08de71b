"""What is done to whom, and when: all of it follows from the seed."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeVar

T = TypeVar("T")


class Kind(StrEnum):
    KILL = "kill -9"
    FREEZE = "freeze"
    """SIGSTOP, and SIGCONT after `seconds`: beyond the session timeout it wakes as a zombie."""
    ROLL = "rolling restart"
    """Every process of the target's kind in turn: asked to end, started again, the next one once it is ready."""


class Target(StrEnum):
    WORKER = "worker"
    ARCHIVE = "archive"
    API = "api"
    BROKER = "broker"


@dataclass(frozen=True, slots=True)
class Blow:
    """What befalls one process. `seconds`: how long a killed one stays away, or a frozen one stands still."""

    kind: Kind
    target: Target
    ordinal: int
    seconds: float

    @property
    def name(self) -> str:
        return f"{self.target}-{self.ordinal}"


@dataclass(frozen=True, slots=True)
class Event:
    """`after` seconds from the event before it. Blows of one event fall at once; with `patient` they wait, though not
    for ever, until all of their victims are at work and have been for `rest` seconds, else they fall on whatever is
    there."""

    after: float
    patient: bool
    blows: Sequence[Blow]
    rest: float = 0.0


@dataclass(frozen=True, slots=True)
class Plan:
    """`static`: the membership of workers and archive. `session`: after so many seconds a silent one is given up."""

    seed: int
    static: bool
    workers: int
    apis: int
    events: Sequence[Event]
    session: int = 6

    @property
    def blows(self) -> list[Blow]:
        return [blow for event in self.events for blow in event.blows]

    @property
    def kills(self) -> int:
        return sum(blow.kind is Kind.KILL for blow in self.blows)


ALL = 0
PACE = (1.5, 3.0)
PATIENT = 0.6
AT_ONCE = {1: 54, 2: 28, 3: 11, ALL: 7}
"""How many processes are killed at the same moment; all of them is a power cut."""
VICTIMS = {Target.WORKER: 52, Target.API: 18, Target.ARCHIVE: 18, Target.BROKER: 12}
ROLLED = {Target.WORKER: 3, Target.API: 1, Target.BROKER: 2}
"""A broker that is asked to end gives its groups' coordinators away first, and says so to whoever asks meanwhile."""
KINDS = {Kind.KILL: 72, Kind.FREEZE: 20, Kind.ROLL: 8}
BACK_AT_ONCE = (0.0, 0.5)
OUTAGE = 30.0


def draw(seed: int, kills: int, *, workers: int | None = None, outage: bool | None = None) -> Plan:
    """A plan with at least so many kills, and freezes and restarts between them. Unless said otherwise: membership is
    static for even seeds; every third plan has three workers; every fourth has a broker that is away, or stands still,
    for half a minute."""
    chance = random.Random(seed)
    workers = (3 if seed % 3 == 0 else 2) if workers is None else workers
    drawn = Plan(seed, seed % 2 == 0, workers, 2, ())
    events: list[Event] = []
    dealt = 0
    outage = seed % 4 == 3 if outage is None else outage
    if outage:
        kind = chance.choice((Kind.KILL, Kind.FREEZE))
        events.append(Event(4.0, True, (Blow(kind, Target.BROKER, 0, OUTAGE),)))
        dealt += kind is Kind.KILL
    while dealt < kills:
        kind = _weighted(chance, KINDS)
        blows = _kills(chance, drawn) if kind is Kind.KILL else (_blow(chance, drawn, kind),)
        dealt += len(blows) if kind is Kind.KILL else 0
        events.append(Event(round(chance.uniform(*PACE), 3), chance.random() < PATIENT, blows))
    return Plan(seed, drawn.static, drawn.workers, drawn.apis, tuple(events))


def _kills(chance: random.Random, plan: Plan) -> Sequence[Blow]:
    """Of different processes."""
    count = _weighted(chance, AT_ONCE)
    if count == ALL:
        many = {Target.WORKER: plan.workers, Target.API: plan.apis}
        every = [(target, ordinal) for target in Target for ordinal in range(many.get(target, 1))]
        return tuple(Blow(Kind.KILL, *each, round(chance.uniform(*BACK_AT_ONCE), 3)) for each in every)
    blows = [_blow(chance, plan, Kind.KILL) for _ in range(count)]
    return tuple({blow.name: blow for blow in blows}.values())


def _blow(chance: random.Random, plan: Plan, kind: Kind) -> Blow:
    target = _weighted(chance, ROLLED if kind is Kind.ROLL else VICTIMS)
    ordinal = chance.randrange({Target.WORKER: plan.workers, Target.API: plan.apis}.get(target, 1))
    seconds = 0.0
    if kind is Kind.KILL:
        # Mostly as fast as a supervisor is; now and then so late that the group has given it up.
        late = target is not Target.BROKER and chance.random() < 0.15
        seconds = chance.uniform(plan.session, plan.session + 4) if late else chance.uniform(*BACK_AT_ONCE)
    elif kind is Kind.FREEZE:
        long = target is not Target.BROKER and chance.random() < 0.5
        seconds = chance.uniform(plan.session + 1, plan.session + 6) if long else chance.uniform(0.3, 4.0)
    return Blow(kind, target, ordinal, round(seconds, 3))


def _weighted(chance: random.Random, weights: dict[T, int]) -> T:
    return chance.choices(list(weights), list(weights.values()))[0]
