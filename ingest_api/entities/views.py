"""What this process knows of the entities: one shelf a kind, and indexes into it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Generic, TypeVar, cast

from pipeline.kafka.guard import Guard
from pipeline.kafka.view import Shelf, Shelves
from pipeline.settings import KafkaSettings
from schemas.codec import Codec
from schemas.entity import Entity
from schemas.event import Event
from schemas.topic import Topic

E = TypeVar("E", bound=Event)


def shelf_of(topic: Topic, codec: Codec) -> Shelf[Any]:
    """A shelf for a topic of entities, the record that a later command caused before others."""
    return Shelf(topic, cast(type[Entity], topic.record), codec, order=lambda entity: entity.source_offset)


class Index(Generic[E]):
    """Ids by another value, as the shelf has them. Where two entities have the same value, which only repeats of a
    crashed writer can show for a moment, the later holds it."""

    def __init__(self, shelf: Shelf[E], values: Callable[[E], Iterable[str]]) -> None:
        self._shelf, self._values = shelf, values
        self._ids: dict[str, str] = {}
        self._held: dict[str, tuple[str, ...]] = {}
        shelf.watch(self._seen)

    def find(self, value: str) -> E | None:
        entity_id = self._ids.get(value)
        return None if entity_id is None else self._shelf.entries.get(entity_id)

    def _seen(self, entity_id: str, entity: E | None) -> None:
        values = () if entity is None else tuple(self._values(entity))
        before = self._held.pop(entity_id, ())
        if before != values:
            for value in before:
                if self._ids.get(value) == entity_id:
                    del self._ids[value]
        if values:
            self._held[entity_id] = values
            self._ids.update((value, entity_id) for value in values)


class Group(Generic[E]):
    """Ids of the entities that share a value: the keys of an owner."""

    def __init__(self, shelf: Shelf[E], value: Callable[[E], str]) -> None:
        self._shelf, self._value = shelf, value
        self._members: dict[str, dict[str, None]] = {}
        self._held: dict[str, str] = {}
        shelf.watch(self._seen)

    def members(self, value: str) -> list[E]:
        """In the order in which they came."""
        return [self._shelf.entries[entity_id] for entity_id in self._members.get(value, ())]

    def _seen(self, entity_id: str, entity: E | None) -> None:
        before = self._held.pop(entity_id, None)
        after = None if entity is None else self._value(entity)
        if before is not None and before != after:
            members = self._members[before]
            del members[entity_id]
            if not members:
                del self._members[before]
        if after is not None:
            self._held[entity_id] = after
            self._members.setdefault(after, {})[entity_id] = None


class EntityViews:
    """Every entity, complete once started; by kind. `others` are shelves of what is no entity."""

    name = "entities"

    def __init__(
        self, shelves: Sequence[Shelf[Any]], others: Sequence[Shelf[Any]] = (), follow: Shelves | None = None
    ) -> None:
        self._shelves: Mapping[Any, Shelf[Any]] = {shelf.topic.record: shelf for shelf in (*shelves, *others)}
        self._follow = follow

    def of(self, record: type[E]) -> Shelf[E]:
        return self._shelves[record]

    async def start(self) -> None:
        """Returns when caught up. Raises LogUnavailable."""
        if self._follow is not None:
            await self._follow.start()

    async def stop(self) -> None:
        if self._follow is not None:
            await self._follow.stop()

    async def reached(self, topic: Topic, offset: int, timeout: float) -> bool:
        """Waits until all of the topic before an offset has been read; False when it was not in `timeout` seconds."""
        return self._follow is None or await self._follow.reached(topic, offset, timeout)


def following(
    settings: KafkaSettings,
    ordinal: int,
    entities: Iterable[Topic],
    others: Sequence[Shelf[Any]],
    codec: Codec,
    guard: Guard | None = None,
) -> EntityViews:
    """Views that follow the log, all by one client. `others` are of compacted topics of one partition. With
    a `guard` only what is genuine is taken."""
    shelves = [shelf_of(topic, codec) for topic in entities]
    follow = Shelves(settings, f"thalweg-entities-{ordinal}", [*shelves, *others], guard)
    return EntityViews(shelves, others, follow)
