"""A log in memory that confirms records when it is told to: the order of launches and landings can be watched."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from confluent_kafka import KafkaError

from pipeline.kafka.flight import Flight


@dataclass(frozen=True)
class Launched:
    topic: str
    value: bytes | None
    key: bytes | None
    partition: int | None
    headers: Mapping[str, bytes] | None


class _Confirmation:
    def __init__(self, topic: str) -> None:
        self._topic = topic

    def topic(self) -> str:
        return self._topic


class MemoryLog:
    """Stands in for `pipeline.kafka.producer.Producer`. With `hold` records stay in the air until `land`."""

    def __init__(self, *, hold: bool = False) -> None:
        self.hold = hold
        self.records: list[Launched] = []
        self._aloft: list[tuple[Callable[..., None], str]] = []

    @property
    def pending(self) -> int:
        return len(self._aloft)

    @property
    def pending_bytes(self) -> int:
        return 0

    def launch(
        self,
        flight: Flight,
        topic: str,
        value: bytes | None,
        *,
        key: bytes | None = None,
        headers: Mapping[str, bytes] | None = None,
        partition: int | None = None,
    ) -> None:
        report = flight.launch()
        self.records.append(Launched(topic, value, key, partition, headers))
        self._aloft.append((report, topic))
        if not self.hold:
            self.land()

    def launch_all(self, flight: Flight, topic: str, values: Sequence[bytes], *, key: bytes, partition: int) -> None:
        for value in values:
            self.launch(flight, topic, value, key=key, partition=partition)

    def land(self, error: str | None = None) -> None:
        aloft, self._aloft = self._aloft, []
        failure = None if error is None else KafkaError(KafkaError._MSG_TIMED_OUT, error)
        for report, topic in aloft:
            report(failure, cast(Any, _Confirmation(topic)))

    def of(self, topic: str) -> list[Launched]:
        return [record for record in self.records if record.topic == topic]


async def settle(turns: int = 20) -> None:
    """Lets everything that is ready run."""
    for _ in range(turns):
        await asyncio.sleep(0)
