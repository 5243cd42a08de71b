"""A data set into a stream, over REST or straight to Kafka, and the label that each point was given."""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict, deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.cli.api import Api
from pipeline.clock import now
from pipeline.errors import Unavailable
from pipeline.kafka.producer import Producer
from pipeline.kafka.provision import existing
from pipeline.kafka.record import Record
from pipeline.kafka.tail import END, Tail
from pipeline.settings import KafkaSettings
from schemas.clustering.points import PointsClustered, PointsObserved
from schemas.clustering.topics import CLUSTERED, OBSERVED
from schemas.codec import Codec

OUTLIER = -1
UNLABELLED = -2
PATIENCE_SECONDS = 60.0
Floats = NDArray[np.float64]
Labels = NDArray[np.int64]
Sent = Callable[[int], None]
"""Told how many points have been sent in all."""


class Pace:
    """`speed` points a second from now on; 0 means no limit."""

    def __init__(self, speed: float) -> None:
        self._speed, self._begun = speed, time.monotonic()

    async def wait(self, sent: int) -> None:
        """Until so many points are not too many for the time gone."""
        if self._speed:
            await asyncio.sleep(max(0.0, self._begun + sent / self._speed - time.monotonic()))


async def over_rest(
    api: Api, stream: str, points: Floats, labels: Labels, batch: int, speed: float, sent: Sent
) -> None:
    """One request after the other, since order is part of a stream. Fills `labels` as answers come."""
    pace = Pace(speed)
    for first in range(0, len(points), batch):
        chunk = points[first : first + batch]
        await pace.wait(first)
        answer = await api.process(stream, chunk.tolist(), f"{stream}:{first + 1}-{first + len(chunk)}")
        labels[first : first + len(chunk)] = labels_in(answer, chunk)
        sent(first + len(chunk))


async def over_kafka(
    settings: KafkaSettings, stream: str, points: Floats, labels: Labels, batch: int, speed: float, sent: Sent
) -> None:
    """Records straight to points.observed.v1; labels from points.clustered.v1. Raises LogUnavailable; Unavailable when
    the workers do not answer for a minute."""
    codec, pace = Codec(), Pace(speed)
    answers = Answers(codec, stream, labels)
    partitions = next((it.partitions for it in existing(settings) if it.name == CLUSTERED.name), 0)
    tail = Tail(settings, "thalweg-demo", answers.take)
    await tail.start({(CLUSTERED.name, partition): END for partition in range(partitions)})
    producer = Producer(settings, "thalweg-demo")
    try:
        for first in range(0, len(points), batch):
            chunk = points[first : first + batch]
            await pace.wait(first)
            event = PointsObserved(
                stream, now(), chunk.shape[1], chunk.ravel(), f"{stream}:{first + 1}-{first + len(chunk)}", "demo"
            )
            await producer.send(OBSERVED.name, codec.encode(event), key=stream.encode())
            sent(first + len(chunk))
        await answers.all(PATIENCE_SECONDS)
    finally:
        await producer.close()
        await tail.stop()


class Answers:
    """What the workers made of a stream's points, by their number."""

    def __init__(self, codec: Codec, stream: str, labels: Labels) -> None:
        self._codec, self._key, self._labels = codec, stream.encode(), labels
        self._news = asyncio.Event()

    def take(self, records: Sequence[Record]) -> None:
        for record in records:
            if record.key == self._key and record.value is not None:
                told = self._codec.decode(record.value, PointsClustered)
                first = told.first_point - 1
                self._labels[first : first + len(told.labels)] = told.labels
                self._news.set()

    async def all(self, patience: float) -> None:
        """Raises Unavailable after so many seconds without news."""
        while (self._labels == UNLABELLED).any():
            self._news.clear()
            try:
                await asyncio.wait_for(self._news.wait(), patience)
            except TimeoutError:
                raise Unavailable(
                    f"the workers said nothing for {patience:.0f} s: look at `thalweg topics list` (lag) and at "
                    "`thalweg dlq list`"
                ) from None


def labels_in(answer: Mapping[str, Any], points: Floats) -> Labels:
    """The label of each point of a request, which its answer lists by cluster: found by value, in order. Equal points
    that fell into different clusters are told apart by their order alone."""
    given: dict[bytes, deque[int]] = defaultdict(deque)
    for cluster in answer["clusters"]:
        for point in cluster["points"]:
            given[np.array(point, np.float64).tobytes()].append(cluster["id"])
    labels = np.full(len(points), OUTLIER, np.int64)
    for index, point in enumerate(points):
        there = given.get(point.tobytes())
        if there:
            labels[index] = there.popleft()
    return labels
