"""Whether the workers work: by what they report, and by what they commit while there is something to commit."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import pytest

from ingest_api.probes import Health
from ingest_api.vitality import SILENT_SECONDS, STALLED_SECONDS, Workers, places
from pipeline.errors import LogUnavailable
from pipeline.kafka.group import GroupWatch, Standing
from pipeline.settings import KafkaSettings
from schemas.accounts.topics import COMMANDED
from schemas.catalogue import INPUTS, STATEFUL
from schemas.clustering.topics import OBSERVED
from schemas.operations.vitals import VitalsReported

HELD = {"points": [0, 1], "commands": [0]}
PLACES = [(topic, number) for topic, numbers in HELD.items() for number in numbers]
SECOND = 1_000_000


@dataclass
class Time:
    """The wall clock and the monotonic one of a process, in seconds; they start apart."""

    now: float = 0.0

    def __call__(self) -> float:
        return self.now

    def wall(self) -> int:
        return round((self.now + 1000) * SECOND)


def standing(committed: int, end: int) -> Standing:
    return Standing({("points", 0): committed}, {}, {("points", 0): end})


def vitals(
    time: Time, assigned: dict[str, list[int]] | None = None, *, ready: bool = True, host: str = "a"
) -> VitalsReported:
    return VitalsReported("worker-0", host, 7, 0, time.wall(), ready, assigned or {})


def hear(workers: Workers, report: VitalsReported) -> None:
    workers.hear(report.key, report)


def working(time: Time) -> Workers:
    """One worker that holds everything, heard now."""
    workers = Workers(PLACES, time.wall, time)
    workers.caught_up()
    hear(workers, vitals(time, HELD))
    return workers


def test_workers_that_keep_up_are_healthy() -> None:
    workers = working(Time())
    assert workers.judge(standing(5, 5)) is Health.HEALTHY
    assert workers.judge(standing(5, 9)) is Health.HEALTHY


def test_without_a_report_there_is_no_worker() -> None:
    time = Time()
    workers = Workers(PLACES, time.wall, time)
    assert workers.judge(standing(5, 5)) is Health.UNHEALTHY


def test_a_courier_that_reports_stands_for_no_worker() -> None:
    time = Time()
    workers = Workers(PLACES, time.wall, time)
    workers.caught_up()
    hear(workers, VitalsReported("courier", "a", 7, 0, time.wall(), True, {}))
    assert workers.judge(standing(5, 5)) is Health.UNHEALTHY


def test_a_worker_that_was_killed_is_missed_though_kafka_still_counts_it() -> None:
    time = Time()
    workers = working(time)
    time.now += SILENT_SECONDS
    assert workers.judge(standing(5, 5)) is Health.HEALTHY
    time.now += 0.001
    assert workers.judge(standing(5, 5)) is Health.UNHEALTHY
    assert workers.alive == {}


def test_a_worker_that_ended_as_asked_is_missed_at_once() -> None:
    time = Time()
    workers = working(time)
    hear(workers, vitals(time, ready=False))
    assert workers.judge(standing(5, 5)) is Health.UNHEALTHY


@pytest.mark.parametrize("left", [{"points": [0, 1]}, {"points": [1], "commands": [0]}])
def test_a_partition_that_nobody_holds_is_told(left: dict[str, list[int]]) -> None:
    time = Time()
    workers = working(time)
    hear(workers, vitals(time, left))
    assert workers.judge(standing(5, 5)) is Health.DEGRADED
    hear(workers, vitals(time, HELD, host="b"))
    assert workers.judge(standing(5, 5)) is Health.HEALTHY


def test_one_of_two_workers_that_is_silent_leaves_its_partitions_unheld() -> None:
    time = Time()
    workers = Workers(PLACES, time.wall, time)
    workers.caught_up()
    hear(workers, vitals(time, {"points": [0]}, host="a"))
    time.now += 10
    hear(workers, vitals(time, {"points": [1], "commands": [0]}, host="b"))
    assert workers.judge(standing(5, 5)) is Health.HEALTHY
    time.now += 10
    assert workers.judge(standing(5, 5)) is Health.DEGRADED
    assert [report.host for report in workers.alive.values()] == ["b"]


def test_workers_that_commit_nothing_while_records_wait_are_degraded_until_they_do() -> None:
    time = Time()
    workers = working(time)
    workers.judge(standing(5, 9))
    time.now += STALLED_SECONDS + 1
    hear(workers, vitals(time, HELD))
    assert workers.judge(standing(5, 9)) is Health.DEGRADED
    assert workers.judge(standing(6, 9)) is Health.HEALTHY


def test_a_long_silence_between_two_looks_is_not_taken_for_a_stall() -> None:
    time = Time()
    workers = working(time)
    workers.judge(standing(5, 5))
    time.now += 3600
    hear(workers, vitals(time, HELD))
    assert workers.judge(standing(5, 6)) is Health.HEALTHY


def test_a_process_that_starts_takes_old_reports_for_old() -> None:
    time = Time()
    past, recent = vitals(time, HELD, host="dead"), vitals(Time(8.0), HELD, host="alive")
    time.now = 20.0
    workers = Workers(PLACES, time.wall, time)
    hear(workers, past)
    hear(workers, recent)
    workers.caught_up()
    assert [report.host for report in workers.alive.values()] == ["alive"]
    time.now += 4
    assert workers.alive == {}


def test_a_host_whose_clock_is_wrong_is_heard_all_the_same() -> None:
    time = Time(5000.0)
    workers = Workers(PLACES, time.wall, time)
    workers.caught_up()
    hear(workers, vitals(Time(0.0), HELD))
    assert workers.judge(standing(5, 5)) is Health.HEALTHY


def test_every_partition_that_has_a_state_is_looked_at() -> None:
    settings = KafkaSettings("127.0.0.1:1", partitions=4)
    assert places(settings, "clustering") == [(OBSERVED.name, number) for number in range(4)]
    assert places(settings, "accounts") == [(COMMANDED.name, 0)]
    watched = {topic for domain in INPUTS for topic, _ in places(settings, domain)}
    assert watched == {topic.name for topic in STATEFUL}


async def test_a_broker_that_is_not_there_is_named() -> None:
    watch = GroupWatch(KafkaSettings("127.0.0.1:1"), "g", [(OBSERVED.name, 0)], patience=0.2)
    with pytest.raises(LogUnavailable, match=r"127\.0\.0\.1:1"):
        await asyncio.to_thread(watch.reach)
    with pytest.raises(LogUnavailable):
        await asyncio.to_thread(watch.standing)
