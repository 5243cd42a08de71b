"""What each part must be allowed at a broker with ACLs (KIP-11), by the catalogue."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from schemas.catalogue import INPUTS, READ_BY, STATEFUL, TOPICS, WORKERS_GROUP, changelog, group_of
from schemas.topic import Writer

_OURS = "thalweg-"


@dataclass(frozen=True, slots=True)
class Grant:
    """`part` may do `operation` with the topic, the group or the cluster of this name; of groups, with all whose names
    begin so where `prefixed`. The words are those of `kafka-acls.sh`."""

    part: str
    resource: str
    name: str
    operation: str
    prefixed: bool = False

    def command(self, user: str) -> str:
        """The arguments of `kafka-acls.sh` that give it to the user."""
        where = "--cluster" if self.resource == "cluster" else f"--{self.resource} '{self.name}'"
        pattern = " --resource-pattern-type prefixed" if self.prefixed else ""
        return f"--add --allow-principal 'User:{user}' --operation {self.operation} {where}{pattern}"


_WRITERS = {
    "producer": Writer.ANYONE,
    "api": Writer.ANYONE | Writer.DOOR,
    "worker": Writer.WORKERS,
    "courier": Writer.COURIER,
    "archive": Writer(0),
    "operator": Writer.ANYONE | Writer.OPERATORS,
}
_GROUPS: Mapping[str, tuple[str, ...]] = {
    "worker": (*map(group_of, INPUTS), WORKERS_GROUP),
    "courier": (f"{_OURS}courier", f"{_OURS}mail"),
    "archive": (f"{_OURS}archive",),
    "operator": (_OURS,),
}
PARTS = tuple(_WRITERS)


def grants(part: str) -> Iterator[Grant]:
    """All that a part needs and nothing else. Whoever may write or read a topic may describe it (Kafka's own rule)."""
    written = [topic.name for topic in TOPICS if topic.writers & _WRITERS[part]]
    read = [topic.name for topic in READ_BY.get(part, ())]
    if part == "worker":
        states = [changelog(topic) for topic in STATEFUL]
        written, read = [*written, *states], [*read, *states]
    yield from (Grant(part, "topic", name, "Write") for name in written)
    yield from (Grant(part, "topic", name, "Read") for name in dict.fromkeys(read))
    if part == "api":  # it says what is missing before it serves
        seen = {*written, *read}
        yield from (Grant(part, "topic", topic.name, "Describe") for topic in TOPICS if topic.name not in seen)
        yield Grant(part, "group", _OURS, "Describe", prefixed=True)
    yield from (Grant(part, "group", group, "Read", prefixed=True) for group in _GROUPS.get(part, ()))
    if part == "operator":  # `thalweg topics create`
        yield Grant(part, "cluster", "kafka-cluster", "Create")
        yield from (Grant(part, "topic", changelog(topic), "Describe") for topic in STATEFUL)
