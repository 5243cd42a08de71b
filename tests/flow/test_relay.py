"""Processors with several inputs and timers, as processes on a real broker: killed and frozen, they send on what the
log says they must, and everything that falls due once."""

from __future__ import annotations

import asyncio
import random
import sys
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.clock import now
from pipeline.kafka.browse import stretch
from pipeline.kafka.producer import Producer
from pipeline.kafka.provision import provision
from pipeline.kafka.record import Record
from pipeline.outcome import Emission, Emit
from pipeline.received import Punctuation, Raw, Received
from pipeline.settings import KafkaSettings
from schemas.clustering.points import OutliersDetected, PointsObserved
from schemas.codec import Codec
from schemas.exchange import dead_letters
from schemas.position import Position
from schemas.state import Sequenced
from tests.flow.child import Child, worker
from tests.flow.relaying import COUNT, COUNTED
from tests.topologies.relay import LEFT, RELAY, RIGHT, SEEN, Memory, Relay
from topologies.timers import Timers

pytestmark = [pytest.mark.flow, pytest.mark.timeout(300)]

CODEC = Codec()
KEYS = 40
RECORDS = 1000
"""Of each input."""
Told = dict[str, tuple[bytes, str]]
"""By what caused it and its key: the key of what was sent on, and what it says."""


@pytest.fixture
def kafka(kafka_bootstrap: str) -> KafkaSettings:
    settings = KafkaSettings(bootstrap=kafka_bootstrap)
    provision(settings, [SEEN, COUNTED, *map(dead_letters, (LEFT, RIGHT, SEEN))], [RELAY, COUNT])
    return settings


@pytest.fixture
def workers(kafka: KafkaSettings, tmp_path: Path) -> Iterator[list[Child]]:
    environ = {
        "THALWEG_KAFKA_BOOTSTRAP": kafka.bootstrap,
        "THALWEG_WORKER_SESSION_SECONDS": "6",
        "THALWEG_WORKER_STATIC": "false",
        "THALWEG_CHECKPOINT_MS": "200",
    }
    with ExitStack() as running:
        made = [worker(ordinal, environ, tmp_path, "tests.flow.relaying") for ordinal in (70, 71)]
        for child in made:
            running.callback(show_end, child)
            running.callback(child.stop)
            child.launch()
        for child in made:
            child.await_ready()
        yield made


def show_end(child: Child) -> None:
    sys.stdout.write(f"{child.log.name} ends with:\n{child.tail(8000)}\n")


async def test_what_is_sent_on_is_what_the_order_in_the_log_says_and_what_falls_due_is_told_once(
    kafka: KafkaSettings, workers: list[Child]
) -> None:
    loading = asyncio.create_task(load(kafka))
    async for number, blow in blows(loading):
        struck = workers[number]
        if blow == "kill":
            await asyncio.to_thread(struck.kill)
        else:
            struck.freeze()
            await asyncio.sleep(9)  # its session is over: its partitions are the other's
            struck.thaw()
            await asyncio.sleep(1)
        if not struck.runs:
            await asyncio.to_thread(struck.launch)
    await loading
    for child in workers:
        if not child.runs:
            await asyncio.to_thread(child.launch)
    wanted = await until_all_is_told(kafka)
    told, repeats = sent(kafka, SEEN.name)
    assert told == wanted
    assert sum(cause.startswith(RELAY.sequence.name) for cause in told) >= KEYS, "every key has fallen due"
    counted, _ = sent(kafka, COUNTED.name)
    assert {cause: said for cause, (_, said) in counted.items()} == {cause: said for cause, (_, said) in told.items()}
    assert not [record for topic in (LEFT, RIGHT, SEEN) for record in stretch(kafka, topic.refused)]
    assert len(told) > 2 * RECORDS
    sys.stdout.write(f"{len(told)} outputs, {repeats} of them twice\n")


async def load(kafka: KafkaSettings) -> None:
    """Both inputs, of the same keys."""
    producer, rng = Producer(kafka, "relay-load"), random.Random(7)
    for number in range(2 * RECORDS):
        key = f"key-{rng.randrange(KEYS)}"
        topic = (LEFT, RIGHT)[number % 2]
        value = CODEC.encode(PointsObserved(key, now(), 1, np.zeros(1)))
        producer.send(topic.name, value, key=key.encode()).add_done_callback(lambda done: done.result())
        await asyncio.sleep(0.02)
    assert await producer.close(30) == 0


async def blows(loading: asyncio.Task[None]) -> AsyncIterator[tuple[int, str]]:
    """Which worker is struck next, and how, while there is load."""
    rng, number = random.Random(8), 0
    while not loading.done():
        await asyncio.sleep(rng.uniform(2, 4))
        number += 1
        yield number % 2, "freeze" if number == 3 else "kill"


async def until_all_is_told(kafka: KafkaSettings) -> Told:
    """What has to be sent on, once nothing more is to come and all of it has come."""
    deadline = time.monotonic() + 120
    while True:
        wanted, waits = await asyncio.to_thread(follow, kafka)
        missing = wanted.keys() - (await asyncio.to_thread(sent, kafka, COUNTED.name))[0].keys()
        if not missing and not waits:
            return wanted
        assert time.monotonic() < deadline, f"{len(missing)} are missing, as {sorted(missing)[:3]}; {waits}"
        await asyncio.sleep(1)


def follow(kafka: KafkaSettings) -> tuple[Told, list[str]]:
    """What comes of the inputs in the order that the log has of them, and what that still waits for."""
    inputs: dict[tuple[str, int], list[Record]] = defaultdict(list)
    for topic in (LEFT, RIGHT):
        for record in stretch(kafka, topic.name):
            inputs[record.topic, record.partition].append(record)
    follower, read = Follower(), dict.fromkeys(inputs, 0)
    for record in stretch(kafka, RELAY.sequence.name):
        entry = CODEC.decode(record.value or b"", Sequenced)
        if entry.topic is None:
            follower.punctuate(record.position, entry.at)
            continue
        place = entry.topic, record.partition
        while read[place] < len(inputs[place]) and inputs[place][read[place]].offset < entry.ends:
            follower.apply(inputs[place][read[place]])
            read[place] += 1
    left = sum(len(records) - read[place] for place, records in inputs.items())
    due = sum(state.due is not None for states in follower.states.values() for state in states.values())
    return follower.told, [*([f"{left} records unread"] if left else []), *([f"{due} keys due"] if due else [])]


class Follower:
    """The processor by itself, without a worker."""

    def __init__(self) -> None:
        self.relay = Relay()
        self.states: dict[int, dict[str, Memory]] = defaultdict(lambda: defaultdict(Memory))
        self.timers: dict[int, Timers] = defaultdict(Timers)
        self.told: Told = {}

    def apply(self, record: Record) -> None:
        raw = Raw(record.position, record.timestamp * 1000, record.key, record.value, record.headers)
        handler = self.relay.inputs[record.topic]
        received: Received[Any] = Received(CODEC.decode(record.value or b"", PointsObserved), raw)
        key = str(handler.key(received.event))
        outcome = handler.apply(received, self.states[record.partition][key])
        assert isinstance(outcome, Emit)
        self._tell(outcome.emissions)
        self._set(record.partition, key)

    def punctuate(self, position: Position, at: int) -> None:
        for key in self.timers[position.partition].until(at):
            state = self.states[position.partition][key]
            self._tell(self.relay.punctuate(Punctuation(position, at, key), state))
            self._set(position.partition, key)

    def _set(self, partition: int, key: str) -> None:
        self.timers[partition].set(key, self.relay.due(self.states[partition][key]))

    def _tell(self, emissions: Any) -> None:
        emission: Emission
        for emission in emissions:
            assert isinstance(emission.event, OutliersDetected)
            key, cause, _ = emission.event.stream.split(" ")
            assert f"{cause} {key}" not in self.told
            self.told[f"{cause} {key}"] = emission.key or b"", emission.event.stream


def sent(kafka: KafkaSettings, topic: str) -> tuple[Told, int]:
    """What has been sent on, the same however often; and how many repetitions there are."""
    told: Told = {}
    repeats = 0
    for record in stretch(kafka, topic):
        said = CODEC.decode(record.value or b"", OutliersDetected).stream
        key, cause, _ = said.split(" ")
        one = record.key or b"", said
        repeats += f"{cause} {key}" in told
        assert told.setdefault(f"{cause} {key}", one) == one, "said otherwise the second time"
    return told, repeats
