"""Whether the workers work: by their group, and by what they commit while there is something to commit."""

from __future__ import annotations

import asyncio
import uuid
from dataclasses import dataclass

import pytest

from ingest_api.probes import Health
from ingest_api.vitality import STALLED_SECONDS, Workers
from pipeline.errors import LogUnavailable
from pipeline.kafka.group import GroupWatch, Standing
from pipeline.kafka.provision import provision
from pipeline.settings import KafkaSettings
from schemas.clustering.topics import OBSERVED


@dataclass
class Time:
    now: float = 0.0

    def __call__(self) -> float:
        return self.now


def standing(committed: int, end: int, *, members: int = 1, stable: bool = True) -> Standing:
    return Standing(members, stable, {0: committed}, {0: end})


def test_a_group_that_keeps_up_is_healthy() -> None:
    workers = Workers(Time())
    assert workers.judge(standing(5, 5)) is Health.HEALTHY
    assert workers.judge(standing(5, 9)) is Health.HEALTHY


def test_a_group_without_members_is_unhealthy() -> None:
    assert Workers(Time()).judge(standing(5, 5, members=0, stable=False)) is Health.UNHEALTHY


def test_a_group_that_shares_out_its_partitions_is_degraded() -> None:
    assert Workers(Time()).judge(standing(5, 5, stable=False)) is Health.DEGRADED


def test_a_group_that_commits_nothing_while_records_wait_is_degraded_until_it_does() -> None:
    time = Time()
    workers = Workers(time)
    workers.judge(standing(5, 9))
    time.now += STALLED_SECONDS + 1
    assert workers.judge(standing(5, 9)) is Health.DEGRADED
    assert workers.judge(standing(6, 9)) is Health.HEALTHY
    time.now += STALLED_SECONDS + 1
    assert workers.judge(standing(7, 9)) is Health.HEALTHY


def test_a_long_silence_between_two_looks_is_not_taken_for_a_stall() -> None:
    time = Time()
    workers = Workers(time)
    workers.judge(standing(5, 5))
    time.now += 3600
    assert workers.judge(standing(5, 6)) is Health.HEALTHY


@pytest.mark.flow
async def test_a_group_that_nobody_ever_joined_has_no_members(kafka_bootstrap: str) -> None:
    settings = KafkaSettings(kafka_bootstrap)
    await asyncio.to_thread(provision, settings)
    watch = GroupWatch(settings, f"nobody-{uuid.uuid4().hex[:8]}", OBSERVED.name, settings.partitions)
    async with asyncio.timeout(60):
        while True:
            try:
                found = await asyncio.to_thread(watch.standing)
                break
            except LogUnavailable:  # the first question of all makes the broker set up its book of groups
                await asyncio.sleep(0.5)
    assert (found.members, found.committed) == (0, {})
    await asyncio.to_thread(watch.reach)


async def test_a_broker_that_is_not_there_is_named() -> None:
    watch = GroupWatch(KafkaSettings("127.0.0.1:1"), "g", OBSERVED.name, 1, patience=0.2)
    with pytest.raises(LogUnavailable, match=r"127\.0\.0\.1:1"):
        await asyncio.to_thread(watch.reach)
    with pytest.raises(LogUnavailable):
        await asyncio.to_thread(watch.standing)
