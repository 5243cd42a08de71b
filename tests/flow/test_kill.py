"""kill -9 under load: states, outputs and rows equal those of an undisturbed run."""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.clock import now
from pipeline.kafka.provision import provision
from pipeline.settings import KafkaSettings
from schemas.codec import Codec
from tests.flow.child import Child, worker
from tests.flow.history import Reference, delivered, stored_states
from tests.flow.load import await_commits, load

pytestmark = [pytest.mark.flow, pytest.mark.timeout(300)]

BATCHES = 1500


@pytest.fixture
def kafka(kafka_bootstrap: str) -> KafkaSettings:
    settings = KafkaSettings(bootstrap=kafka_bootstrap)
    provision(settings)
    return settings


@pytest.fixture
def workers(kafka: KafkaSettings, tmp_path: Path) -> Iterator[list[Child]]:
    told = {"THALWEG_KAFKA_BOOTSTRAP": kafka.bootstrap, "THALWEG_WORKER_SESSION_SECONDS": "6"}
    pair = [worker(ordinal, told, tmp_path) for ordinal in (71, 72)]
    with contextlib.ExitStack() as running:
        for each in pair:
            each.launch()
            running.callback(each.stop)
        for each in pair:
            each.await_ready()
        yield pair


async def test_workers_killed_under_load_leave_states_and_outputs_as_if_nothing_had_happened(
    kafka: KafkaSettings, workers: list[Child]
) -> None:
    prefix, chance = f"kill{time.time_ns()}", random.Random(7)
    loading = asyncio.create_task(load(kafka, prefix, seed=7, batches=BATCHES))
    for _ in range(3):
        await asyncio.sleep(chance.uniform(2, 4))
        victim = chance.choice(workers)
        victim.kill()
        victim.launch()
    await loading
    await asyncio.to_thread(await_commits, kafka)
    codec = Codec()
    truth = Reference(kafka, codec, now, prefix)
    labels, _ = delivered(kafka, codec, prefix)
    assert labels == truth.labels
    assert stored_states(kafka, prefix) == truth.states
    assert truth.refusals
    assert truth.points > BATCHES * 2
