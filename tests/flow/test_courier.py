"""The courier as a process: killed in the midst of its work, it loses no delivery and makes none up."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from pipeline.courier.books import Topics
from pipeline.kafka.producer import Producer
from pipeline.kafka.provision import provision
from pipeline.settings import KafkaSettings
from pipeline.signatures import Signatures
from schemas.accounts.webhooks import TEST_EVENT, Progress
from tests.doubles.receiver import Delivered, receiving, status
from tests.flow.child import ACCOUNT_SECRETS, Child, courier
from tests.pipeline.courier.world import SECRET, World

pytestmark = [pytest.mark.flow, pytest.mark.timeout(300)]

EVENTS = 150
SECRETS = f"{ACCOUNT_SECRETS},k1:a secret of thirty-two characters"
"""Records are signed as other tests on this broker sign theirs; the world seals with the other."""
SIGNATURES = Signatures.from_environment({"THALWEG_ACCOUNT_SECRETS": SECRETS})


@pytest.fixture
async def here(kafka_bootstrap: str) -> AsyncIterator[World]:
    kafka = KafkaSettings(kafka_bootstrap)
    await asyncio.to_thread(provision, kafka)
    producer = Producer(kafka, "test", signatures=SIGNATURES)
    made = World(kafka, Topics(), producer)
    await made.user()
    yield made
    await producer.close()


@pytest.fixture
async def child(here: World, tmp_path: Path) -> AsyncIterator[Child]:
    told = {
        "THALWEG_KAFKA_BOOTSTRAP": here.kafka.bootstrap,
        "THALWEG_ACCOUNT_SECRETS": SECRETS,
        "THALWEG_WEBHOOK_ALLOW": "127.0.0.1",
        "THALWEG_COURIER_GROUP": f"courier-{uuid.uuid4().hex[:8]}",
        "THALWEG_COURIER_INSTANCE": f"courier-{here.name}",
    }
    made = courier(told, tmp_path)
    await asyncio.to_thread(made.start)
    yield made
    await asyncio.to_thread(made.stop)


async def test_a_test_delivery_is_sent_signed_and_written_down(here: World, child: Child) -> None:
    async with receiving() as receiver:
        name = await here.test(await here.webhook(receiver.url))
        await here.until(lambda: here.deliveries()[name].progress is Progress.DELIVERED)
        await here.until(lambda: child.trouble() is None)
    [got] = receiver.received
    got.verify(SECRET)
    assert got.id == name
    assert await asyncio.to_thread(child.stop) == 0


async def test_whoever_kills_it_every_delivery_arrives_under_its_one_id(here: World, child: Child) -> None:
    """Ids of before the first kill are all there are in the end; each was received, and none is left."""

    async def first_fails_some(got: Delivered, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(0.01)
        fails = int(got.id[-1], 16) < 3 and receiver.ids.count(got.id) == 1
        writer.write(status(503 if fails else 200))

    async with receiving() as receiver:
        hooks = [await here.listening(receiver, name) for name in "ab"]
        receiver.script = first_fails_some
        telling = asyncio.create_task(_tell(here))
        for arrived in (20, 60, 120, 200):
            while len(receiver.received) < arrived:  # noqa: ASYNC110
                await asyncio.sleep(0.02)
            await asyncio.to_thread(child.kill)
            await asyncio.to_thread(child.start)
        await telling
        known = await here.until_told(len(hooks) * EVENTS)
    assert set(receiver.ids) == set(known)
    assert {it.id for it in here.history() if it.event != TEST_EVENT} == set(known)
    for got in receiver.received:
        assert got.body == known[got.id].body


async def _tell(here: World) -> None:
    for number in range(EVENTS):
        await here.drift(number, stream=f"s{here.name}{number % 8}")
        await asyncio.sleep(0.01)
