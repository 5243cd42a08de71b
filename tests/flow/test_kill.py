"""kill -9 under load of points and of account commands: states, entities and outputs equal those of an undisturbed
run."""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.clock import now
from pipeline.kafka.browse import stretch
from pipeline.kafka.producer import Producer
from pipeline.kafka.provision import provision
from pipeline.settings import KafkaSettings
from pipeline.signatures import Signatures
from schemas.accounts.topics import COMMANDED
from schemas.codec import Codec
from tests.flow.campaign.commands import Commands
from tests.flow.child import ACCOUNT_SECRETS, Child, worker
from tests.flow.history import Reference, delivered, stored_states
from tests.flow.load import await_commits, load
from tests.flow.oracle import Oracle, kept, told, unlike

pytestmark = [pytest.mark.flow, pytest.mark.proof, pytest.mark.timeout(300)]

BATCHES = 1500
COMMANDS = 600


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


async def command(kafka: KafkaSettings, prefix: str, seed: int) -> None:
    """Commands about few entities, while the points come. Returns when all are durable."""
    names = tuple(f"{prefix}{name}" for name in ("ada", "ADA", "bob", "eve"))
    drawn = Commands(random.Random(seed), prefix, f"{prefix}user-0", names)
    signatures = Signatures.from_environment({"THALWEG_ACCOUNT_SECRETS": ACCOUNT_SECRETS})
    producer = Producer(kafka, "commands", signatures=signatures)
    for number in range(COMMANDS):
        key, value = drawn.draw(f"system:{number}")
        producer.send(COMMANDED.name, value, key=key).add_done_callback(lambda done: done.result())
        if number % 4 == 0:
            await asyncio.sleep(0.1)
    assert await producer.close(30) == 0


async def test_workers_killed_under_load_leave_states_and_outputs_as_if_nothing_had_happened(
    kafka: KafkaSettings, workers: list[Child]
) -> None:
    prefix, chance = f"kill{time.time_ns()}", random.Random(7)
    loading = asyncio.gather(load(kafka, prefix, seed=7, batches=BATCHES), command(kafka, prefix, seed=7))
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
    oracle = Oracle(stretch(kafka, COMMANDED.name), codec)
    assert list(unlike("entity topics", told(kafka, codec), oracle, prefix)) == []
    assert list(unlike("changelog", kept(kafka), oracle, prefix)) == []
    mine = [decision for decision in oracle.decisions.values() if decision.answer.entity_id.startswith(prefix)]
    rejections = {decision.answer.rejection for decision in mine}
    assert {None, "version_conflict", "username_taken", "not_found", "exists"} <= rejections
