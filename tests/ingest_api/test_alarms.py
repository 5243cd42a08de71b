"""Whoever looks at /health sees that somebody writes records who should not, wherever one was met, and for how long."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from ingest_api.alarms import ALARM_SECONDS, MOST, Alarms
from ingest_api.probes import Health
from pipeline.forgeries import Forgeries
from schemas.accounts.topics import USERS
from schemas.operations.vitals import VitalsReported
from schemas.position import Position

SECOND = 1_000_000


@dataclass
class Clock:
    now: int = 1_800_000_000 * SECOND

    def __call__(self) -> int:
        return self.now


def vitals(process: str, forged: int, at: int | None) -> VitalsReported:
    return VitalsReported(process, "a", 7, 0, 0, True, {}, forged, at)


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_without_a_forgery_there_is_nothing_to_say(clock: Clock) -> None:
    alarms = Alarms(Forgeries(clock), clock)
    alarms.hear("worker-0@a", vitals("worker-0", 0, None))
    assert (alarms.judge(), alarms.notes()) == (Health.HEALTHY, [])


def test_what_this_process_and_others_met_is_counted_for_a_quarter_of_an_hour(clock: Clock) -> None:
    own = Forgeries(clock)
    alarms = Alarms(own, clock)
    own.note(Position(USERS.name, 0, 7), "signature_missing", "it is not signed")
    alarms.hear("worker-0@a", vitals("worker-0", 3, clock.now))
    alarms.hear("courier@a", vitals("courier", 2, clock.now))
    alarms.hear("worker-0@a", vitals("worker-0", 4, clock.now))
    assert alarms.judge() is Health.DEGRADED
    [note] = alarms.notes()
    assert note.startswith("7 records in Kafka were not written by any of our processes")
    assert USERS.name not in note
    clock.now += ALARM_SECONDS * SECOND
    assert alarms.judge() is Health.DEGRADED
    clock.now += 1
    assert (alarms.judge(), alarms.notes()) == (Health.HEALTHY, [])


def test_reports_that_somebody_makes_up_take_no_memory_without_end(clock: Clock) -> None:
    alarms = Alarms(Forgeries(clock), clock)
    for number in range(MOST + 5):
        alarms.hear(f"worker-{number}@a", vitals(f"worker-{number}", 1, clock.now))
    assert alarms.notes()[0].startswith(f"{MOST} records")
