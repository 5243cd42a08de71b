"""Every entity that a partition of commands has made, with who holds which claim: the one writer's memory."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import TypeVar, cast

from pipeline.entities.decider import Decider, Mark
from schemas.entity import Entity

E = TypeVar("E", bound=Entity)


class Ledger:
    """A function of the commands up to `applied` and of nothing else. One command changes one entity, so that what is
    recovered from a prefix of the changes is what was true at some command, never half of it."""

    def __init__(self, deciders: Mapping[str, Decider[Entity]]) -> None:
        self._deciders = deciders
        self._entities: dict[str, dict[str, Entity]] = {kind: {} for kind in deciders}
        self._claims: dict[tuple[str, Mark], str] = {}
        self._groups: Counter[tuple[str, Mark]] = Counter()
        self.applied = -1

    def __len__(self) -> int:
        return sum(map(len, self._entities.values()))

    def all(self) -> Iterable[Entity]:
        for entities in self._entities.values():
            yield from entities.values()

    def find(self, kind: str, entity_id: str) -> Entity | None:
        return self._entities[kind].get(entity_id)

    def put(self, kind: str, entity_id: str, entity: Entity | None) -> None:
        """The entity as it is from now on; None where it is gone."""
        decider = self._deciders[kind]
        before = self._entities[kind].pop(entity_id, None)
        if before is not None:
            for claim in decider.claims(before):
                # A claim that has gone on to another, as one recovers it out of order, stays there.
                if self._claims.get((kind, claim)) == entity_id:
                    del self._claims[kind, claim]
            self._groups.subtract((kind, group) for group in decider.groups(before))
        if entity is not None:
            self._entities[kind][entity_id] = entity
            self._claims.update(((kind, claim), entity_id) for claim in decider.claims(entity))
            self._groups.update((kind, group) for group in decider.groups(entity))

    def conflict(self, entity: Entity, before: Entity | None = None) -> Mark | None:
        """The first claim of the entity that another holds, and that it did not have before: two may share what became
        the same by a newer form of it, and neither is kept from going on."""
        claims = self._deciders[entity.KIND].claims
        had = set() if before is None else set(claims(before))
        for claim in claims(entity):
            if claim in had:
                continue
            holder = self._claims.get((entity.KIND, claim))
            if holder is not None and holder != entity.id:
                return claim
        return None

    def get(self, kind: type[E], entity_id: str) -> E | None:
        return cast("E | None", self.find(kind.KIND, entity_id))

    def holder(self, kind: type[Entity], claim: Mark) -> str | None:
        return self._claims.get((kind.KIND, claim))

    def count(self, kind: type[Entity], group: Mark) -> int:
        return self._groups[kind.KIND, group]

    def first(self, kind: type[Entity]) -> bool:
        return not self._entities[kind.KIND]
