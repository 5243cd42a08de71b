"""One-point messages straight to Kafka, through one worker: messages a second, beside Quix Streams and a bare consumer.

    python -m bench.single [--messages 300000] [--quix PYTHON] [--json FILE]

The log is filled first, then each reads it from its beginning, by turns, alone with the broker: a bare librdkafka
consumer; Quix Streams keeping a count per key (it neither decodes the value nor sends a result); our worker, which
decodes, learns, and delivers a result per message. The worker's clock runs from its announcement that it is ready to
the commit of the last message, by which all results are durable.

Quix Streams wants an older confluent-kafka, so it has an environment of its own:
    python -m venv quix && quix/bin/pip install quixstreams==3.28.1        then --quix quix/bin/python
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import psutil

from bench.sheet import Row, finish, parser
from pipeline.clock import now
from pipeline.embedded.kafka.broker import BrokerProcess
from pipeline.kafka.browse import committed, ends, stretch
from pipeline.kafka.flight import Flight
from pipeline.kafka.producer import Producer
from pipeline.kafka.provision import provision
from pipeline.settings import KafkaSettings
from schemas.catalogue import group_reading
from schemas.clustering.points import PointsObserved
from schemas.clustering.topics import CLUSTERED, OBSERVED
from schemas.codec import Codec
from tests.flow.child import worker
from tests.ports import free_ports

STREAMS = (20, 2000)
"""Few busy streams, whose messages are taken many at once; many, of which a fetch brings a few each."""
GOAL = 50_000


def main() -> None:
    flags = parser(__doc__ or "")
    flags.add_argument("--messages", type=int, default=300_000)
    flags.add_argument("--quix", type=Path, metavar="PYTHON", help="the interpreter that has quixstreams")
    arguments = flags.parse_args()
    count = 20_000 if arguments.quick else arguments.messages
    rows = [row for streams in STREAMS for row in measured(streams, count, arguments.quix)]
    finish("One-point messages straight to Kafka", rows, arguments)


def measured(streams: int, count: int, quix: Path | None) -> list[Row]:
    """On a broker of its own, so that every reader finds nothing but these messages."""
    with tempfile.TemporaryDirectory() as name, BrokerProcess(Path(name) / "broker", *free_ports(2)) as broker:
        kafka = KafkaSettings(broker.bootstrap)
        provision(kafka)
        asyncio.run(fill(kafka, streams, count))
        bare = consumed(kafka)
        beside = None if quix is None else counted(quix, kafka, count, Path(name))
        ours, cpu = processed(kafka, count, Path(name))
    return told(streams, bare, beside, ours, cpu)


def told(streams: int, bare: float, quix: float | None, ours: float, cpu: float) -> list[Row]:
    what, unit = f"{streams:,} streams", "messages/s"
    rows = [Row(f"{what}: bare consumer", bare, unit)]
    if quix is not None:
        rows.append(Row(f"{what}: Quix Streams, a stateful count", quix, unit, "bare consumer", quix / bare))
        rows.append(Row(f"{what}: worker", ours, unit, "Quix Streams", ours / quix, "1.0", ours >= quix))
    rows.append(Row(f"{what}: worker", ours, unit, "bare consumer", ours / bare, f"{GOAL:,}/s", ours >= GOAL))
    rows.append(Row(f"{what}: worker, CPU a message", cpu * 1e6, "µs"))
    return rows


def consumed(kafka: KafkaSettings) -> float:
    """Messages a second of librdkafka alone."""
    begun = time.perf_counter()
    read = sum(1 for _ in stretch(kafka, OBSERVED.name, dict.fromkeys(range(kafka.partitions), 0)))
    return read / (time.perf_counter() - begun)


async def fill(kafka: KafkaSettings, streams: int, count: int) -> None:
    codec, rng = Codec(), np.random.default_rng(1)
    centers = rng.normal(size=(4, 3)) * 10
    keys = [f"single-{number % streams}" for number in range(10_000)]
    values = [
        codec.encode(PointsObserved(key, now(), 3, centers[rng.integers(4)] + rng.normal(size=3))) for key in keys
    ]
    producer, flight = Producer(kafka, "bench"), Flight()
    for number in range(count):
        producer.launch(flight, OBSERVED.name, values[number % 10_000], key=keys[number % 10_000].encode())
        if number % 10_000 == 0:
            await flight.landed()
    await flight.landed()
    await producer.close()


def counted(python: Path, kafka: KafkaSettings, count: int, folder: Path) -> float:
    """Messages a second of Quix Streams, counting keys. It stops by itself after `count`."""
    script = Path(__file__).parent / "beside" / "quix.py"
    command = (str(python), str(script), kafka.bootstrap, OBSERVED.name, str(count), str(folder / "quix"))
    said = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    rates = [line for line in said.stdout.splitlines() if line.startswith("RATE ")]
    if not rates:
        raise SystemExit(f"Quix Streams did not finish:\n{said.stdout[-2000:]}{said.stderr[-2000:]}")
    return float(rates[0].split()[1])


def processed(kafka: KafkaSettings, count: int, folder: Path) -> tuple[float, float]:
    """(messages a second, seconds of CPU a message) of one worker reading all of it."""
    goal = {partition: mark.high for partition, mark in ends(kafka, OBSERVED.name).items()}
    with worker(0, {"THALWEG_KAFKA_BOOTSTRAP": kafka.bootstrap}, folder) as process:
        at = psutil.Process(process.process.pid)
        begun, spent = time.perf_counter(), sum(at.cpu_times()[:2])
        while not reached(kafka, goal):
            time.sleep(0.05)
        took, cpu = time.perf_counter() - begun, sum(at.cpu_times()[:2]) - spent
    results = sum(mark.high - mark.low for mark in ends(kafka, CLUSTERED.name).values())
    if results != count:
        sys.exit(f"{count} messages gave {results} results")
    return count / took, cpu / count


def reached(kafka: KafkaSettings, goal: Mapping[int, int]) -> bool:
    done = committed(kafka, group_reading(OBSERVED), OBSERVED.name)
    return all((done[partition] or 0) >= end for partition, end in goal.items())


if __name__ == "__main__":
    main()
