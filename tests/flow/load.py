"""Work for workers: batches over several streams, some of them not usable, some twice; and waiting until it is done."""

from __future__ import annotations

import asyncio
import time

import numpy as np

from pipeline.clock import now
from pipeline.kafka.browse import committed, ends
from pipeline.kafka.producer import Producer
from pipeline.settings import KafkaSettings
from schemas.accounts.topics import COMMANDED
from schemas.catalogue import group_reading
from schemas.clustering.points import PointsObserved
from schemas.clustering.topics import OBSERVED
from schemas.codec import Codec
from schemas.topic import Topic

STREAMS = 6


async def load(kafka: KafkaSettings, prefix: str, seed: int, batches: int, *, first: int = 0, pace: int = 10) -> None:
    """Batches of three points, of streams that begin with `prefix`; after each `pace` of them a tenth of a second's
    rest. Returns when all are durable. `first` numbers the first batch, so that a second load does not repeat ids."""
    codec, rng = Codec(), np.random.default_rng(seed)
    producer = Producer(kafka, "load")
    centers = np.random.default_rng(1).normal(0, 6, (4, 3))
    for number in range(first, first + batches):
        stream = f"{prefix}-{number % STREAMS}"
        values = (centers[rng.integers(4, size=3)] + rng.normal(size=(3, 3))).ravel()
        dimension = 9 if number % 97 == 50 else 3
        batch_id = f"b{number - number % 2}" if number % 11 < 2 else None
        event = PointsObserved(stream, now(), dimension, values, batch_id=batch_id)
        value = b"not avro" if number % 131 == 60 else codec.encode(event)
        producer.send(OBSERVED.name, value, key=stream.encode()).add_done_callback(lambda done: done.result())
        if number % pace == 0:
            await asyncio.sleep(0.1)
    assert await producer.close(30) == 0


def lag(kafka: KafkaSettings) -> int:
    """Points and commands that the workers' groups have not committed."""
    return sum(_lag(kafka, topic) for topic in (OBSERVED, COMMANDED))


def _lag(kafka: KafkaSettings, topic: Topic) -> int:
    done, there = committed(kafka, group_reading(topic), topic.name), ends(kafka, topic.name)
    return sum(mark.high - max(done[partition] or 0, mark.low) for partition, mark in there.items())


def await_commits(kafka: KafkaSettings, seconds: float = 90) -> None:
    deadline = time.monotonic() + seconds
    while left := lag(kafka):
        assert time.monotonic() < deadline, f"{left} records are not committed"
        time.sleep(0.2)
