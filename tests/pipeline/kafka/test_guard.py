"""What nobody of ours wrote is passed over, and said; what is from before there were signatures is adopted once."""

from __future__ import annotations

import pytest

from pipeline.forgeries import Forgeries
from pipeline.kafka.guard import Guard
from pipeline.kafka.record import Record
from pipeline.signatures import Signatures
from schemas.accounts.topics import USERS
from schemas.clustering.topics import CLUSTERS
from schemas.exchange import SIGNATURE_HEADER

OURS = Signatures({"k1": b"a" * 32})


def record(
    offset: int, value: bytes | None = b"a user", *, topic: str = USERS.name, by: Signatures | None = OURS
) -> Record:
    headers = {} if by is None else {SIGNATURE_HEADER: by.sign(topic, b"u1", value, {})}
    return Record(topic, 0, offset, 1, b"u1", value, headers)


@pytest.fixture
def guard() -> Guard:
    return Guard(OURS, Forgeries())


@pytest.mark.parametrize("value", [b"an administrator", None], ids=["a record", "a tombstone"])
def test_a_forged_entity_is_passed_over_with_an_alarm(
    guard: Guard, value: bytes | None, caplog: pytest.LogCaptureFixture
) -> None:
    guard.caught_up()
    stolen = Record(USERS.name, 0, 7, 1, b"u1", value, record(1).headers)
    assert [guard.admits(it) for it in (record(5), stolen, record(8, value, by=None))] == [True, False, False]
    assert guard._forgeries.count == 2
    [alarm] = caplog.records
    assert (alarm.levelname, "accounts.user.v1-0-7" in alarm.message) == ("ERROR", True)


def test_records_from_before_there_were_signatures_are_adopted_once(guard: Guard) -> None:
    old = record(0, by=None)
    assert not guard.admits(old)
    assert guard.caught_up() == [old]
    assert not guard.admits(record(1, by=None))
    assert guard._forgeries.count == 1


def test_nothing_is_adopted_beside_what_is_signed(guard: Guard) -> None:
    guard.admits(record(0, b"forged", by=None))
    guard.admits(record(1))
    assert guard.caught_up() == []
    assert guard._forgeries.count == 1


def test_topics_that_are_not_signed_pass(guard: Guard) -> None:
    assert guard.admits(record(0, topic=CLUSTERS.name, by=None))
