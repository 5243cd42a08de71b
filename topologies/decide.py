"""A domain's commands: decided one after the other by the one writer of its entities.

The changelog gets every change in the order in which it was decided, so that a crash leaves a prefix of them: what is
recovered is what was true at some command, and the commands behind it are decided again, with the same result.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from heapq import nlargest

import faust

from pipeline import heap
from pipeline.clock import Clock
from pipeline.entities.audit import Audit
from pipeline.entities.decide import Deciders, command_of, decide
from pipeline.entities.ledger import Ledger
from pipeline.entities.repeats import Page, Repeats
from pipeline.forgeries import Forgeries
from pipeline.kafka.flight import Flight
from pipeline.outcome import Emission, Emit, Refuse
from pipeline.received import Raw, Received
from pipeline.signatures import Signatures
from schemas.codec import Codec
from schemas.entity import Commanded, Entity
from schemas.position import Position
from schemas.topic import Topic
from topologies.attach import attach_work
from topologies.breath import Breath
from topologies.deliver import Deliver
from topologies.framing import applied_of, key_of, name_of, own_key, pack, unpack
from topologies.genuine import OLDEST, digest_of, forgery
from topologies.intake import Placement, raw_of, take_in
from topologies.partition import Engine, Partition
from topologies.reached import check_reached, record_reached
from topologies.runs import Run
from topologies.site import Site

TOLD_AGAIN = 120_000_000
"""Microseconds after a change at which it is told once more. A worker that was taken for dead may wake and write an old
record behind a newer one, until its records expire: compaction would keep that one."""
RECENT = 1000
"""Changes, the latest, that a worker tells again which takes over: nobody knows when the one before it would have."""
LATE = 10_000_000
"""Microseconds behind its time at which telling again is put off: whoever has stood still for so long may be taken for
dead, and must not be the one who writes old records behind newer ones."""
AT_ONCE = 100
"""Changes told again between two breaths."""
BREATH_SECONDS = 0.05
SIGNED_AT_ONCE = 1000
"""States signed anew before their durability is awaited."""
DECIDED_LATELY = "decided"
"""In the changelog, where entities have their kind: a page of `Repeats`."""
log = logging.getLogger(__name__)


@dataclass(slots=True)
class Book:
    """The ledger, which commands were decided lately, the changes that the changelog does not have yet, and those to be
    told again: of each entity when, and the offset of the command; the longest told first."""

    ledger: Ledger
    repeats: Repeats
    journal: list[tuple[bytes, bytes]] = field(default_factory=list)
    again: dict[tuple[str, str], tuple[int, int]] = field(default_factory=dict)

    def owe(self, kind: str, entity_id: str, due: int, offset: int) -> None:
        """Only the last change of an entity is told again."""
        self.again.pop((kind, entity_id), None)
        self.again[kind, entity_id] = due, offset


class Decide:
    """The work of a commands topic (`partition.Work`)."""

    eager = False

    def __init__(
        self,
        topic: Topic,
        deciders: Deciders,
        audit: Audit,
        engine: Engine,
        deliver: Deliver,
        codec: Codec,
        clock: Clock,
        signatures: Signatures | None = None,
        forgeries: Forgeries | None = None,
    ) -> None:
        self.topic, self.topics = topic, (topic,)
        self._forgeries = forgeries or Forgeries()
        self._signatures = signatures
        self._deciders, self._audit, self._engine, self._deliver = deciders, audit, engine, deliver
        self._codec, self._clock, self._placement = codec, clock, Placement(topic.partitions)

    async def begin(self, number: int, starts: Mapping[str, int]) -> Book:
        """Reads every entity there is, which takes a while: the rest of the process has its turns meanwhile."""
        outdated = self._engine.outdated_of(number)
        check_reached(self._engine, self.topic, number, starts[self.topic.name])
        ledger, pages, changes = Ledger(self._deciders), [], []
        breath = Breath(BREATH_SECONDS)
        with heap.filling():
            for name, value in self._engine.recovered_of(number):
                if breath.due:
                    await breath.take()
                kind, _, entity_id = name.partition("/")
                applied, body = unpack(value)
                if kind == DECIDED_LATELY:
                    pages.append(Page.decode(body))
                    continue
                ledger.applied = max(ledger.applied, applied)
                if kind not in self._deciders:
                    continue  # of a kind that this worker's code knows no more
                changes.append((applied, kind, entity_id))
                if body:  # else it is deleted
                    ledger.put(kind, entity_id, self._codec.decode(body, self._deciders[kind].record))
        book, due = Book(ledger, Repeats(OLDEST, pages)), self._clock() + TOLD_AGAIN
        for applied, kind, entity_id in nlargest(RECENT, changes):
            book.owe(kind, entity_id, due, applied)
        await self._sign_anew(number, outdated, ledger)
        return book

    async def _sign_anew(self, number: int, keys: Sequence[bytes], ledger: Ledger) -> None:
        """Entities and changelog get once more, under the secret in force, what they have under another, or none. The
        partition's own record comes last: it says that all of this is durable."""
        for begin in range(0, len(keys), SIGNED_AT_ONCE):
            some = keys[begin : begin + SIGNED_AT_ONCE]
            states = [(key, value) for key in some if (value := self._engine.recovered(key)) is not None]
            flight = Flight()
            for key, value in states:
                kind, _, entity_id = name_of(number, key).partition("/")
                if kind in self._deciders:
                    source = Position(self.topic.name, number, applied_of(value))
                    entity = ledger.find(kind, entity_id)
                    self._deliver.emit((self._emission(kind, entity_id, entity),), source, None, flight)
            await flight.landed()
            own = own_key(number)
            await self._engine.remember(number, [state for state in states if state[0] != own])
            await self._engine.remember(number, [state for state in states if state[0] == own])
        if keys:
            log.info("%d states are signed anew, under the secret in force", len(keys))

    async def __call__(self, partition: Partition[Book], run: Run) -> None:
        breath = Breath(BREATH_SECONDS)
        for record in run.records:
            self._one(partition, raw_of(record))
            if breath.due:
                await breath.take()
        await self._deliver.make_room(partition.flight)
        partition.has_applied(run)

    def settle(self, partition: Partition[Book], *, final: bool) -> None:
        """Tells again what was changed a while ago, unless it has been changed since; a few at a time, for this is in
        the way of what is decided meanwhile."""
        book, now = partition.memory, self._clock()
        for _ in range(AT_ONCE):
            if not book.again:
                return
            (kind, entity_id), (due, offset) = next(iter(book.again.items()))
            if due > now:
                return
            if now - due > LATE:
                book.owe(kind, entity_id, now + TOLD_AGAIN, offset)
                continue
            del book.again[kind, entity_id]
            entity = book.ledger.find(kind, entity_id)
            source = Position(self.topic.name, partition.number, offset)
            self._deliver.emit((self._emission(kind, entity_id, entity),), source, None, partition.flight)
            self._note(partition, kind, entity_id, entity, offset)
            partition.dirty = True

    def snapshots(self, partition: Partition[Book]) -> list[tuple[bytes, bytes]]:
        """The commands before what came of them: one is never applied that might not be known again."""
        journal, partition.memory.journal = partition.memory.journal, []
        pages = partition.memory.repeats.changes()
        written = (_page(partition.number, page) for page in pages)
        return [*written, *journal, record_reached(partition, self.topic)]

    async def wake(self, partition: Partition[Book]) -> None:
        """What is told again by time is settled."""

    def _one(self, partition: Partition[Book], raw: Raw) -> None:
        if raw.position.offset <= partition.memory.ledger.applied:
            return
        partition.memory.ledger.applied = raw.position.offset
        received = take_in(raw, self._codec, Commanded)
        if self._signatures is not None:
            forged = forgery(self._signatures, raw, received, partition.memory.repeats)
            if forged is not None:
                self._raise_alarm(partition, raw, forged)
                received = forged
        if isinstance(received, Received):
            decision = self._decided(partition, received)
        else:
            decision = received
        if isinstance(decision, Refuse):
            self._deliver(decision, self.topic, raw, partition.flight)

    def _decided(self, partition: Partition[Book], received: Received[Commanded]) -> Refuse | None:
        event, raw = received.event, received.raw
        misplaced = self._placement.check(raw, event.entity_id)
        if misplaced is not None:
            return misplaced
        command = command_of(received)
        if isinstance(command, Refuse):
            return command
        decision = decide(self._deciders, partition.memory.ledger, command)
        if isinstance(decision, Refuse):
            return decision
        if self._signatures is not None:
            partition.memory.repeats.note(command.offset, digest_of(raw), event.commanded_at, raw.timestamp)
        emissions = [*decision.emissions]
        if decision.changed:
            emissions.append(self._emission(event.entity, event.entity_id, decision.entity))
            self._note(partition, event.entity, event.entity_id, decision.entity, command.offset)
            partition.memory.owe(event.entity, event.entity_id, self._clock() + TOLD_AGAIN, command.offset)
        if decision.audited and (audited := self._audit.decided(received, decision)) is not None:
            emissions.append(audited)
        self._deliver(Emit(emissions, decision.answer), self.topic, raw, partition.flight)
        return None

    def _raise_alarm(self, partition: Partition[Book], raw: Raw, forged: Refuse) -> None:
        self._forgeries.note(raw.position, forged.reason, forged.detail)
        if (audited := self._audit.forged(raw, forged)) is not None:
            self._deliver.emit((audited,), raw.position, None, partition.flight)

    def _emission(self, kind: str, entity_id: str, entity: Entity | None) -> Emission:
        return Emission(self._deciders[kind].topic, entity, entity_id.encode())

    def _note(self, partition: Partition[Book], kind: str, entity_id: str, entity: Entity | None, at: int) -> None:
        body = b"" if entity is None else self._codec.encode(entity)
        partition.memory.journal.append((key_of(partition.number, f"{kind}/{entity_id}"), pack(at, body)))


def _page(number: int, page: Page) -> tuple[bytes, bytes]:
    return key_of(number, f"{DECIDED_LATELY}/{page.slot}"), pack(page.last, page.encode())


def attach_commands(app: faust.App, site: Site, topic: Topic, deciders: Deciders, audit: Audit) -> None:
    """One agent that decides over the topic's commands, and what is written to the audit of them."""

    def work(engine: Engine) -> Decide:
        told = site.settings.signatures, site.forgeries
        return Decide(topic, deciders, audit, engine, site.deliver(), site.codec, site.clock, *told)

    attach_work(app, site, topic, work)
