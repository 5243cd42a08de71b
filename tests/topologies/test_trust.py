"""The states of the one writer of entities are believed when a worker signed them, and outlive the secret that did."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest

from pipeline.forgeries import Forgeries
from pipeline.kafka.flight import Flight
from pipeline.kafka.guard import Guard
from pipeline.kafka.record import Record as Read
from pipeline.signatures import Signatures
from schemas.accounts.topics import COMMANDED, USERS
from schemas.accounts.users import User
from schemas.catalogue import changelog, state_of
from schemas.exchange import SIGNATURE_HEADER
from tests.doubles.log import Launched, MemoryLog
from tests.topologies.tally import CODEC, Ended, Record
from tests.topologies.test_decide import Desk, ordered, signed, users
from tests.topologies.test_snapshots import Event
from topologies.app import create_app
from topologies.domains import load
from topologies.engine import FaustEngine
from topologies.framing import key_of, pack
from topologies.settings import WorkerSettings
from topologies.site import Site

CHANGELOG = changelog(COMMANDED)
OLD, NEW = b"o" * 32, b"n" * 32
FIRST, BOTH, SECOND = Signatures({"k1": OLD}), Signatures({"k2": NEW, "k1": OLD}), Signatures({"k2": NEW})


class SigningLog(MemoryLog):
    """Signs as a producer does."""

    signatures: Signatures | None = None

    def launch(
        self,
        flight: Flight,
        topic: str,
        value: bytes | None,
        *,
        key: bytes | None = None,
        headers: Mapping[str, bytes] | None = None,
        partition: int | None = None,
    ) -> None:
        by, given = self.signatures, dict(headers or {})
        if by is not None and topic in by.topics:
            given[SIGNATURE_HEADER] = by.sign(topic, key, value, given)
        super().launch(flight, topic, value, key=key, headers=given, partition=partition)


class Workers:
    """One changelog, and workers one after the other."""

    def __init__(self, folder: Path) -> None:
        self.log, self._folder = SigningLog(), folder

    def one(self, signatures: Signatures | None) -> Desk:
        """One that has recovered what the changelog has, and signs as told from now on."""
        self.log.signatures = signatures
        site = Site(WorkerSettings(data_dir=self._folder, signatures=signatures))
        app = create_app(site.settings, load("accounts"), site)
        table = cast(Any, app.tables[state_of(COMMANDED)])
        app.consumer_generation_id = 1
        table.apply_changelog_batch([Event(*self.changelog())])
        engine = FaustEngine(app, table, CHANGELOG, lambda: self.log, {COMMANDED.name})  # type: ignore[arg-type,return-value]
        desk = Desk(cast(Any, engine), self.log, signatures)
        desk.forgeries = site.forgeries
        return desk

    def changelog(self) -> list[Any]:
        """As aiokafka gives it."""
        return [
            Record(at, it.key or b"", it.value or b"", 0, CHANGELOG, headers=tuple((it.headers or {}).items()))
            for at, it in enumerate(self.log.of(CHANGELOG))
        ]

    def forge(self, key: bytes, value: bytes, headers: Mapping[str, bytes] | None = None) -> None:
        self.log.records.append(Launched(CHANGELOG, value, key, 0, headers))

    def believed(self, signatures: Signatures) -> dict[str, User]:
        """By an API that reads the compacted topic."""
        last = {it.key: it for it in self.log.of(USERS.name)}
        guard = Guard(signatures, Forgeries())
        guard.caught_up()
        reads = [Read(USERS.name, 0, at, 0, it.key, it.value, it.headers or {}) for at, it in enumerate(last.values())]
        found = [CODEC.decode(it.value, User) for it in reads if guard.admits(it) and it.value is not None]
        return {user.username: user for user in found}


@pytest.fixture
async def workers(tmp_path: Path) -> Workers:
    return Workers(tmp_path)


async def command(desk: Desk, offset: int, name: str, by: Signatures | None, /, **arguments: Any) -> None:
    record = ordered(offset, "register", f"u{offset}", username=name, **arguments)
    await desk.take(record if by is None else signed(record, by))
    await desk.point.flush()


async def test_after_a_rotation_everything_still_reads_without_the_old_secret(workers: Workers) -> None:
    first = workers.one(FIRST)
    await command(first, 0, "ada", FIRST)
    await command(first, 1, "bob", FIRST)
    await command(workers.one(BOTH), 2, "eve", BOTH)
    third = workers.one(SECOND)
    await command(third, 3, "ADA", SECOND)
    assert list(workers.believed(SECOND)) == ["ada", "bob", "eve"], "and the name stays taken"
    assert third.forgeries.count == 0


async def test_what_was_written_before_there_were_signatures_is_taken_once_and_signed(workers: Workers) -> None:
    await command(workers.one(None), 0, "ada", None)
    await command(workers.one(FIRST), 1, "bob", FIRST)
    assert list(workers.believed(FIRST)) == ["ada", "bob"]
    second = workers.one(FIRST)
    await command(second, 2, "Ada", FIRST)
    assert list(workers.believed(FIRST)) == ["ada", "bob"]
    assert second.forgeries.count == 0


async def test_a_worker_that_dies_while_it_signs_leaves_the_rest_to_the_next(workers: Workers) -> None:
    """Whatever prefix of what it wrote is durable."""
    before = workers.one(None)
    await command(before, 0, "ada", None)
    await command(before, 1, "bob", None)
    unsigned = len(workers.log.records)
    await command(workers.one(FIRST), 2, "eve", FIRST)
    whole = list(workers.log.records)
    for durable in range(unsigned, len(whole)):
        workers.log.records = whole[:durable]
        again = workers.one(FIRST)
        await command(again, 2, "eve", FIRST)
        assert set(workers.believed(FIRST)) == {"ada", "bob", "eve"}, durable
        assert again.forgeries.count == 0


@pytest.mark.parametrize("kid", [None, "k1", "k9"], ids=["unsigned", "wrong", "unknown"])
async def test_a_state_that_somebody_wrote_in_the_changelog_is_not_believed(workers: Workers, kid: str | None) -> None:
    await command(workers.one(FIRST), 0, "ada", FIRST)
    [ada] = users(workers.log)
    mighty = CODEC.encode(replace(ada, username="mallory", roles=["admin"], version=9))
    headers = None if kid is None else {SIGNATURE_HEADER: kid.encode() + b":" + b"x" * 32}
    for name in ("user/u0", "user/u9"):
        workers.forge(key_of(0, name), pack(1 << 40, mighty), headers)
    worker = workers.one(FIRST)
    await command(worker, 1, "bob", FIRST)
    assert [user.roles for user in workers.believed(FIRST).values()] == [ada.roles] * 2
    await command(worker, 2, "mallory", FIRST)
    assert "mallory" in workers.believed(FIRST), "the name is free"
    assert worker.forgeries.count == 2


@pytest.mark.parametrize("signatures", [SECOND, None], ids=["another secret", "none"])
async def test_a_worker_that_cannot_believe_its_states_does_not_decide_without_them(
    workers: Workers, signatures: Signatures | None
) -> None:
    await command(workers.one(FIRST), 0, "ada", FIRST)
    with pytest.raises(Ended, match="THALWEG_ACCOUNT_SECRETS"):
        await command(workers.one(signatures), 1, "bob", signatures)
    assert [user.username for user in users(workers.log)] == ["ada"]
