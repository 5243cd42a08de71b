"""kill -9 under load: states, outputs and rows equal those of an undisturbed run."""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from pipeline.clock import now
from pipeline.kafka.browse import committed, ends
from pipeline.kafka.producer import Producer
from pipeline.kafka.provision import provision
from pipeline.settings import KafkaSettings
from schemas.catalogue import WORKERS_GROUP
from schemas.clustering.points import PointsObserved
from schemas.clustering.topics import OBSERVED
from schemas.codec import Codec
from tests.flow.child import Child, worker
from tests.flow.history import Reference, delivered, stored_states

pytestmark = [pytest.mark.flow, pytest.mark.timeout(300)]

STREAMS = 6
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


async def _load(kafka: KafkaSettings, prefix: str, seed: int) -> None:
    """Batches of three points over several streams, some of them not usable, some twice by batch id."""
    codec, rng = Codec(), np.random.default_rng(seed)
    producer = Producer(kafka, "load")
    centers = rng.normal(0, 6, (4, 3))
    for number in range(BATCHES):
        stream = f"{prefix}-{number % STREAMS}"
        values = (centers[rng.integers(4, size=3)] + rng.normal(size=(3, 3))).ravel()
        dimension = 9 if number % 97 == 50 else 3
        batch_id = f"b{number - number % 2}" if number % 11 < 2 else None
        event = PointsObserved(stream, now(), dimension, values, batch_id=batch_id)
        value = b"not avro" if number % 131 == 60 else codec.encode(event)
        producer.send(OBSERVED.name, value, key=stream.encode()).add_done_callback(lambda done: done.result())
        if number % 10 == 0:
            await asyncio.sleep(0.1)
    assert await producer.close(30) == 0


def _await_commits(kafka: KafkaSettings, seconds: float = 90) -> None:
    deadline = time.monotonic() + seconds
    while True:
        done, there = committed(kafka, WORKERS_GROUP, OBSERVED.name), ends(kafka, OBSERVED.name)
        if all((done[partition] or 0) >= mark.high for partition, mark in there.items() if mark.high > mark.low):
            return
        assert time.monotonic() < deadline, f"committed {done} of {there}"
        time.sleep(0.2)


async def test_workers_killed_under_load_leave_states_and_outputs_as_if_nothing_had_happened(
    kafka: KafkaSettings, workers: list[Child]
) -> None:
    prefix, chance = f"kill{time.time_ns()}", random.Random(7)
    load = asyncio.create_task(_load(kafka, prefix, seed=7))
    for _ in range(3):
        await asyncio.sleep(chance.uniform(2, 4))
        victim = chance.choice(workers)
        victim.kill()
        victim.launch()
    await load
    await asyncio.to_thread(_await_commits, kafka)
    codec = Codec()
    truth = Reference(kafka, codec, now, prefix)
    labels, _ = delivered(kafka, codec, prefix)
    assert labels == truth.labels
    assert stored_states(kafka, prefix) == truth.states
    assert truth.refusals
    assert truth.points > BATCHES * 2
