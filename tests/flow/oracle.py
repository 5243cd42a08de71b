"""The truth of a log of commands: what the entities must be, decided by one undisturbed reader in one go."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from pipeline.accounts.audit import audit_of, forgery_of
from pipeline.accounts.deciders import DECIDERS
from pipeline.entities.decide import Decision, command_of, decide
from pipeline.entities.ledger import Ledger
from pipeline.kafka.browse import stretch
from pipeline.kafka.record import Record
from pipeline.outcome import Refuse
from pipeline.received import Raw, Received
from pipeline.settings import KafkaSettings
from schemas.accounts.topics import COMMANDED
from schemas.accounts.traces import ActionAudited
from schemas.catalogue import changelog
from schemas.codec import Codec
from schemas.entity import Commanded, Entity
from schemas.exchange import SIGNATURE_HEADER
from topologies.decide import DECIDED_LATELY
from topologies.framing import unpack
from topologies.intake import Placement, take_in

Name = tuple[str, str]
"""(kind, id) of an entity."""
Change = tuple[int, bytes | None]
"""(offset of the command, the entity's bytes from then on; None where it is gone)"""
Difference = str


class Oracle:
    """By offset of the command: `log`, `decisions`, `refusals` (the reason), `audits`. Of each entity all `changes`, in
    order. `marked` finds commands of a name in whose arguments a text stands; `deleted`, by entity, its deletions."""

    def __init__(self, records: Iterable[Record], codec: Codec) -> None:
        self._codec, self._placement = codec, Placement(COMMANDED.partitions)
        self._ledger = Ledger(DECIDERS)
        self._signatures: set[bytes] = set()
        self.log: dict[int, Record] = {}
        self.decisions: dict[int, Decision] = {}
        self.refusals: dict[int, str] = {}
        self.audits: dict[int, ActionAudited] = {}
        self.changes: defaultdict[Name, list[Change]] = defaultdict(list)
        self.marked: defaultdict[tuple[str, str], list[int]] = defaultdict(list)
        self.deleted: defaultdict[str, list[int]] = defaultdict(list)
        for record in records:
            self.log[record.offset] = record
            refused = self._take(record)
            if refused is not None:
                self.refusals[record.offset] = refused.reason

    @property
    def end(self) -> int:
        """The offset behind the last command."""
        return max(self.log, default=-1) + 1

    @property
    def last(self) -> Mapping[Name, Change]:
        """Of each entity there ever was."""
        return {name: changes[-1] for name, changes in self.changes.items()}

    def all(self, kind: type[Entity]) -> list[Any]:
        """The entities of a kind that there are."""
        return [entity for entity in self._ledger.all() if isinstance(entity, kind)]

    def _take(self, record: Record) -> Refuse | None:
        raw = Raw(record.position, record.timestamp * 1000, record.key, record.value, record.headers)
        received = take_in(raw, self._codec, Commanded)
        if isinstance(received, Refuse):
            return received
        refused = self._placement.check(raw, received.event.entity_id)
        command = command_of(received)
        if refused is not None or isinstance(command, Refuse):
            return refused or command  # type: ignore[return-value]
        signature = record.headers.get(SIGNATURE_HEADER)
        if signature is not None and signature in self._signatures:
            refused = Refuse("command_replayed", "")
            self.audits[record.offset] = forgery_of(raw, refused)
            return refused
        decision = decide(DECIDERS, self._ledger, command)
        if isinstance(decision, Refuse):
            return decision
        if signature is not None:
            self._signatures.add(signature)
        self._note(received, decision)
        return None

    def _note(self, received: Received[Commanded], decision: Decision) -> None:
        event, offset = received.event, received.position.offset
        self.decisions[offset] = decision
        if decision.audited:
            self.audits[offset] = audit_of(received, decision)
        if decision.changed:
            body = None if decision.entity is None else self._codec.encode(decision.entity)
            self.changes[event.entity, event.entity_id].append((offset, body))
        for text in set(_texts(json.loads(event.arguments))):
            self.marked[event.command, text].append(offset)
        if event.command == "delete":
            self.deleted[event.entity_id].append(offset)


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for each in value.values() if isinstance(value, dict) else value:
            yield from _texts(each)


def told(kafka: KafkaSettings, codec: Codec) -> Mapping[Name, Sequence[Change]]:
    """Every record of the topics of entities, in the order of the log; a tombstone that does not name its command has
    offset -1."""
    found: defaultdict[Name, list[Change]] = defaultdict(list)
    for kind, decider in DECIDERS.items():
        for record in stretch(kafka, decider.topic.name):
            name = kind, (record.key or b"").decode()
            if record.value is None:
                found[name].append((-1 if record.source is None else record.source.offset, None))
            else:
                entity = codec.decode(record.value, decider.record)
                found[name].append((entity.source_offset, record.value))
    return found


def kept(kafka: KafkaSettings) -> Mapping[Name, Sequence[Change]]:
    """Every record of the changelog of commands; the partition's own is under ("", "")."""
    found: defaultdict[Name, list[Change]] = defaultdict(list)
    for record in stretch(kafka, changelog(COMMANDED)):
        kind, _, entity_id = (record.key or b"").split(b"/", 1)[1].decode().partition("/")
        if kind == DECIDED_LATELY:
            continue
        applied, body = unpack(record.value or b"")
        found[kind, entity_id].append((applied, body or None))
    return found


def unlike(name: str, found: Mapping[Name, Sequence[Change]], oracle: Oracle, prefix: str = "") -> Iterator[Difference]:
    """Where what was written of entities is not what the commands give: the last record of each, by its command, and
    every one that was ever written. Of entities whose ids begin with `prefix`."""
    for entity in sorted(each for each in oracle.changes.keys() | found.keys() if each[1].startswith(prefix)):
        wanted, written = oracle.changes.get(entity, []), found.get(entity, [])
        newest = max(written, key=lambda change: change[0], default=None)
        if newest is None or not wanted:
            yield f"{name}: {entity} is {'nowhere' if newest is None else 'there, and never was'}"
        elif newest != wanted[-1]:
            yield f"{name}: the last of {entity} is of command {newest[0]}, not what {wanted[-1][0]} made of it"
        strange = [offset for offset, body in written if (offset, body) not in wanted]
        if strange and wanted:
            yield f"{name}: of {entity}, what stands there of the commands {strange[:5]} is not what they made of it"
