"""The one writer of entities, and what a crash leaves of its work."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.accounts.audit import AUDIT
from pipeline.accounts.deciders import DECIDERS
from pipeline.entities.decide import Deciders
from pipeline.forgeries import Forgeries
from pipeline.signatures import Signatures
from schemas.accounts.topics import AUDITED, COMMANDED, INVITATIONS, KEYS, MAIL, STREAMS, USERS, WEBHOOKS
from schemas.accounts.traces import ActionAudited, MailRequested, Verdict
from schemas.accounts.users import User
from schemas.entity import Commanded, Decided
from schemas.exchange import (
    REPLIES,
    REPLY_PARTITION_HEADER,
    REQUEST_ID_HEADER,
    SIGNATURE_HEADER,
    SOURCE_HEADER,
    Refused,
    Replied,
)
from tests.doubles.log import MemoryLog
from tests.pipeline.entities.orders import ORDERS
from tests.topologies.tally import CODEC, FaustEvent, Record, Recovered, end
from topologies.checkpoint import Checkpoint
from topologies.decide import LATE, TOLD_AGAIN, Book, Decide
from topologies.deliver import Deliver
from topologies.runs import Run

START = 1_764_000_000_000


def ordered(offset: int, name: str, entity_id: str = "u1", entity: str = "user", /, **arguments: Any) -> Record:
    event = Commanded(entity, entity_id, name, json.dumps(arguments), None, "system:test", "10.0.0.1", 1)
    asked = ((REQUEST_ID_HEADER, b"req_%d" % offset), (REPLY_PARTITION_HEADER, b"0"))
    return Record(offset, entity_id.encode(), CODEC.encode(event), 0, COMMANDED.name, START + offset, asked)


class Desk:
    """A worker on a changelog; another one may follow it."""

    def __init__(
        self,
        engine: Recovered,
        log: MemoryLog,
        signatures: Signatures | None = None,
        deciders: Deciders = DECIDERS,
    ) -> None:
        self.now = (START + 100) * 1000
        deliver = Deliver(log, CODEC, lambda: self.now)  # type: ignore[arg-type]
        self.forgeries = Forgeries()
        self.work = Decide(
            COMMANDED, deciders, AUDIT, engine, deliver, CODEC, lambda: self.now, signatures, self.forgeries
        )
        self.point: Checkpoint[Book] = Checkpoint(self.work, engine, end)

    async def take(self, *records: Record) -> None:
        await self.point.take(
            FaustEvent(Run(COMMANDED.name, 1, records[0].offset, records[0].offset, list(records)), 0, 1)
        )

    def settle(self) -> None:
        [partition] = self.point._partitions.values()
        self.work.settle(partition, final=False)


def users(log: MemoryLog) -> list[User]:
    return [CODEC.decode(each.value, User) for each in log.of(USERS.name) if each.value is not None]


@pytest.fixture
def log() -> MemoryLog:
    return MemoryLog()


async def test_an_accepted_command_tells_the_entity_the_audit_and_whoever_asked(log: MemoryLog) -> None:
    desk = Desk(Recovered(log), log)
    await desk.take(ordered(7, "register", username="ada", password="$argon2id$secret"))
    [user] = users(log)
    assert (user.username, user.number, user.source_offset, user.created_at) == ("ada", 7, 7, (START + 7) * 1000)
    [audit] = [CODEC.decode(each.value or b"", ActionAudited) for each in log.of(AUDITED.name)]
    assert (audit.action, audit.verdict, audit.actor) == ("user.register", Verdict.ACCEPTED, "system:test")
    assert all(b"argon2id" not in (each.value or b"") for each in log.of(AUDITED.name))
    [reply] = [CODEC.decode(each.value or b"", Replied) for each in log.of(REPLIES.name)]
    assert CODEC.decode(reply.answer or b"", Decided) == Decided("user", "u1", 1, None, None)


async def test_a_letter_is_asked_for_again_to_the_byte_by_a_worker_that_decides_again(log: MemoryLog) -> None:
    """By which whoever sends it knows the second from another."""
    token = {"purpose": "verify_email", "digest": "t1", "expires_at": START * 2000}
    address = "ada@example.org"
    offer = {"token": token, "recipient": address, "letter": "sealed", "offered_at": 5}
    for _ in range(2):
        await Desk(Recovered(log), log).take(ordered(0, "register", username="ada", email=address, offer=offer))
    first, second = log.of(MAIL.name)
    assert CODEC.decode(first.value or b"", MailRequested).recipient == "ada@example.org"
    assert (first.key, first.value) == (second.key, second.value) == (b"u1", first.value)


async def test_a_rejected_command_is_answered_and_audited_and_changes_nothing(log: MemoryLog) -> None:
    engine = Recovered(log)
    desk = Desk(engine, log)
    await desk.take(ordered(0, "register", username="ada"), ordered(1, "register", "u2", username="ADA"))
    await desk.point.flush()
    answers = [CODEC.decode(each.value or b"", Replied).answer for each in log.of(REPLIES.name)]
    assert CODEC.decode(answers[1] or b"", Decided).rejection == "username_taken"
    audits = [CODEC.decode(each.value or b"", ActionAudited) for each in log.of(AUDITED.name)]
    assert [audit.reason for audit in audits] == [None, "username_taken"]
    assert [key for _, keys in engine.remembered for key in keys] == [b"0/user/u1", b"0/"]


async def test_a_deleted_entity_is_a_tombstone_that_names_its_cause(log: MemoryLog) -> None:
    desk = Desk(Recovered(log), log)
    await desk.take(ordered(0, "register", username="ada"), ordered(1, "delete"))
    last = log.of(USERS.name)[-1]
    assert (last.value, last.key) == (None, b"u1")
    assert (last.headers or {})[SOURCE_HEADER] == f"{COMMANDED.name}-0-1".encode()


async def test_what_is_no_command_goes_to_the_dead_letters(log: MemoryLog) -> None:
    desk = Desk(Recovered(log), log)
    garbage = Record(3, b"u1", b"garbage", 0, COMMANDED.name)
    foreign = Record(4, b"u9", ordered(4, "delete").value, 0, COMMANDED.name)
    await desk.take(
        ordered(0, "fly"), ordered(1, "register", username=7), ordered(2, "make", "u1", "thing"), garbage, foreign
    )
    letters = [CODEC.decode(each.value or b"", Refused) for each in log.of(COMMANDED.refused)]
    reasons = ["command_unknown", "arguments_invalid", "entity_unknown", "frame_invalid", "key_mismatch"]
    assert [letter.reason for letter in letters] == reasons
    assert not log.of(USERS.name)


async def test_a_change_is_told_again_unless_another_has_followed(log: MemoryLog) -> None:
    desk = Desk(Recovered(log), log)
    await desk.take(
        ordered(0, "register", username="ada"),
        ordered(1, "register", "u2", username="bob"),
        ordered(2, "administer", "u2", full_name="Bob"),
    )
    before = len(users(log))
    desk.settle()
    assert len(users(log)) == before
    desk.now += TOLD_AGAIN
    desk.settle()
    assert [(user.id, user.version) for user in users(log)[before:]] == [("u1", 1), ("u2", 2)]


async def test_a_deletion_is_told_again_too_and_by_whoever_takes_over(log: MemoryLog) -> None:
    engine = Recovered(log)
    first = Desk(engine, log)
    await first.take(ordered(0, "register", username="ada"), ordered(1, "delete"))
    await first.point.flush()
    for offset, desk in enumerate((first, Desk(engine, log)), start=2):
        await desk.take(ordered(offset, "fly"))
        before = len(log.of(USERS.name))
        desk.now += TOLD_AGAIN
        desk.settle()
        [again] = log.of(USERS.name)[before:]
        assert (again.key, again.value) == (b"u1", None)
        assert (again.headers or {})[SOURCE_HEADER] == f"{COMMANDED.name}-0-1".encode()
        await desk.point.flush()


async def test_what_is_told_again_is_in_the_changelog_again_though_no_command_comes(log: MemoryLog) -> None:
    engine = Recovered(log)
    desk = Desk(engine, log)
    await desk.take(ordered(0, "register", username="ada"))
    await desk.point.flush()
    await desk.point.flush()
    assert len(engine.remembered) == 1
    desk.now += TOLD_AGAIN
    desk.settle()
    await desk.point.flush()
    assert [keys for _, keys in engine.remembered] == [[b"0/user/u1", b"0/"]] * 2


@pytest.mark.parametrize(("generation", "told"), [(1, 2), (2, 1)])
async def test_only_whoever_still_holds_the_partition_tells_anything_again(
    log: MemoryLog, generation: int, told: int
) -> None:
    engine = Recovered(log)
    desk = Desk(engine, log)
    await desk.take(ordered(0, "register", username="ada"))
    await desk.point.flush()
    desk.now += TOLD_AGAIN
    engine.generation = generation
    pulse = asyncio.create_task(desk.point.pulse())
    await asyncio.sleep(0.2)
    pulse.cancel()
    assert len(users(log)) == told


async def test_whoever_has_stood_still_tells_nothing_again_at_once(log: MemoryLog) -> None:
    desk = Desk(Recovered(log), log)
    await desk.take(ordered(0, "register", username="ada"))
    desk.now += TOLD_AGAIN + LATE + 1
    desk.settle()
    assert len(users(log)) == 1
    desk.now += TOLD_AGAIN
    desk.settle()
    assert len(users(log)) == 2


@given(st.lists(ORDERS, max_size=25), st.data())
async def test_after_a_crash_at_any_place_the_entities_end_as_if_there_had_been_none(
    orders: Sequence[Any], data: st.DataObject
) -> None:
    records = [
        ordered(offset, name, entity_id, entity, **arguments)
        for offset, (entity, entity_id, name, arguments, _) in enumerate(orders)
    ]
    whole = MemoryLog()
    undisturbed = Recovered(whole)
    if records:
        desk = Desk(undisturbed, whole)
        await desk.take(*records)
        await desk.point.flush()
    log, engine = MemoryLog(), Recovered(MemoryLog())
    done = data.draw(st.integers(0, len(records)), label="records before the crash")
    if done:
        first = Desk(engine, log)
        await first.take(*records[:done])
        [partition] = first.point._partitions.values()
        journal = first.work.snapshots(partition)
        engine.table.update(journal[: data.draw(st.integers(0, len(journal)), label="changes the log got")])
    if records:
        second = Desk(engine, log)
        await second.take(*records)
        await second.point.flush()
    assert engine.table == undisturbed.table
    for topic in (USERS, KEYS, WEBHOOKS, INVITATIONS, STREAMS):
        assert _last(log, topic.name) == _last(whole, topic.name)


def _last(log: MemoryLog, topic: str) -> dict[bytes | None, bytes | None]:
    return {each.key: each.value for each in log.of(topic)}


OURS = Signatures({"k1": b"a" * 32})


def signed(record: Record, by: Signatures = OURS, *, made: int = START * 1000) -> Record:
    value = CODEC.encode(replace(CODEC.decode(record.value or b"", Commanded), commanded_at=made))
    signature = by.sign(COMMANDED.name, record.key, value, {})
    return replace(record, value=value, headers=(*record.headers, (SIGNATURE_HEADER, signature)))


async def test_a_command_that_none_of_ours_wrote_changes_nothing_and_raises_an_alarm(
    log: MemoryLog, caplog: pytest.LogCaptureFixture
) -> None:
    desk = Desk(Recovered(log), log, OURS)
    genuine, others = signed(ordered(0, "register", username="ada")), Signatures({"k1": b"b" * 32})
    unsigned = ordered(1, "delete")
    stolen = replace(ordered(2, "delete"), headers=genuine.headers)
    foreign = signed(ordered(3, "delete"), others)
    unknown = signed(ordered(4, "delete"), Signatures({"k9": b"a" * 32}))
    late = signed(ordered(5, "delete"), made=(START - 4_300_000) * 1000)
    await desk.take(genuine, unsigned, stolen, foreign, unknown, late)
    assert [user.version for user in users(log)] == [1]
    letters = [CODEC.decode(each.value or b"", Refused).reason for each in log.of(COMMANDED.refused)]
    assert letters == ["signature_missing", "signature_wrong", "signature_wrong", "signature_unknown", "command_stale"]
    audited = [CODEC.decode(each.value or b"", ActionAudited) for each in log.of(AUDITED.name)]
    forged = [(it.actor, it.verdict, it.source_offset) for it in audited if it.action == "command.forge"]
    assert forged == [("unknown", Verdict.REFUSED, offset) for offset in range(1, 6)]
    assert desk.forgeries.count == 5
    [alarm] = [line for line in caplog.records if line.levelname == "ERROR"]
    assert "FORGED: accounts.commanded.v1-0-1 is not believed" in alarm.message


def again(record: Record, offset: int) -> Record:
    """The same record, written again by somebody who cannot sign, and who waits for an answer of his own."""
    held = {name: value for name, value in record.headers if name == SIGNATURE_HEADER}
    asked = ((REQUEST_ID_HEADER, b"req_his"), (REPLY_PARTITION_HEADER, b"0"), *held.items())
    return replace(record, offset=offset, timestamp=START + offset, headers=asked)


async def test_a_command_that_somebody_writes_again_is_not_decided_again(log: MemoryLog) -> None:
    engine = Recovered(log)
    desk = Desk(engine, log, OURS)
    closed = signed(ordered(1, "administer", status="banned"))
    opened = signed(ordered(2, "administer", status="active"))
    rejected = signed(ordered(3, "register", "u2", username="ADA"))
    await desk.take(signed(ordered(0, "register", username="ada")), closed, opened, rejected, again(closed, 4))
    await desk.point.flush()
    successor = Desk(engine, log, OURS)
    await successor.take(again(closed, 5), signed(ordered(6, "delete")), again(rejected, 7))
    assert [user.status for user in users(log)] == ["active", "banned", "active"]
    letters = [CODEC.decode(each.value or b"", Refused) for each in log.of(COMMANDED.refused)]
    assert [(it.reason, it.source_offset) for it in letters] == [("command_replayed", at) for at in (4, 5, 7)]
    assert (desk.forgeries.count, successor.forgeries.count) == (1, 2)


async def test_a_command_that_could_not_be_used_can_be_sent_again(log: MemoryLog) -> None:
    """As `thalweg dlq replay` does, once a worker knows what to do with it."""
    early, engine = signed(ordered(0, "register", username="ada")), Recovered(log)
    older = Desk(engine, log, OURS, {})
    await older.take(early)
    await older.point.flush()
    assert [CODEC.decode(each.value or b"", Refused).reason for each in log.of(COMMANDED.refused)] == ["entity_unknown"]
    await Desk(engine, log, OURS).take(again(early, 1))
    assert [user.username for user in users(log)] == ["ada"]


@given(st.lists(ORDERS, max_size=20), st.data())
async def test_copies_of_commands_change_nothing_wherever_they_stand_and_a_worker_crashes(
    orders: Sequence[Any], data: st.DataObject
) -> None:
    """Genuine ones have even offsets here, copies of those before them odd ones."""
    genuine = [
        signed(ordered(2 * number, name, entity_id, entity, **arguments), made=START * 1000 + number)
        for number, (entity, entity_id, name, arguments, _) in enumerate([*orders, ("user", "u9", "delete", {}, None)])
    ]
    chosen = [data.draw(st.none() | st.sampled_from(genuine[: number + 1])) for number in range(len(genuine) - 1)]
    copies = [again(copied, 2 * number + 1) for number, copied in enumerate(chosen) if copied is not None]
    records = sorted([*genuine, *copies], key=lambda record: record.offset)
    whole, engine, log = MemoryLog(), Recovered(MemoryLog()), MemoryLog()
    await Desk(Recovered(whole), whole, OURS).take(*genuine)
    done = data.draw(st.integers(0, len(records) - 1), label="records before the crash")
    if done:
        first = Desk(engine, log, OURS)
        await first.take(*records[:done])
        [partition] = first.point._partitions.values()
        journal = first.work.snapshots(partition)
        engine.table.update(journal[: data.draw(st.integers(0, len(journal)), label="changes the log got")])
    await Desk(engine, log, OURS).take(*records)
    for topic in (USERS, KEYS, WEBHOOKS, INVITATIONS, STREAMS):
        assert _last(log, topic.name) == _last(whole, topic.name)
