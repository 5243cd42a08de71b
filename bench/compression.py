"""What compressing the log costs and saves: results as workers write them, by each of Kafka's codecs.

    python -m bench.compression [--records 400] [--quick] [--json FILE]

Results of 500 points in 10 dimensions, many under way, to a topic of its own for each codec and kind of points: the CPU
time of the writing process for a GB of records, and the bytes that the broker keeps of a GB. `sensors` are points with
three decimals, as instruments tell them; `noise` uses all 52 bits of its fractions. The codecs take turns; the median
counts.
"""

from __future__ import annotations

import asyncio
import statistics
import tempfile
import time
from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np

from bench.sheet import Row, finish, parser
from pipeline.embedded.kafka.broker import BrokerProcess
from pipeline.kafka.flight import Flight
from pipeline.kafka.producer import Producer
from pipeline.kafka.provision import provision
from pipeline.settings import COMPRESSIONS, KafkaSettings
from schemas.clustering.points import PointsClustered
from schemas.clustering.topics import CLUSTERED
from schemas.codec import Codec
from tests.ports import free_ports

KINDS = ("sensors", "noise")
POINTS, DIMENSION, TURNS = 500, 10, 3
GB = 1e9
NOW = time.time_ns() // 1000


def main() -> None:
    flags = parser(__doc__ or "")
    flags.add_argument("--records", type=int, default=400)
    arguments = flags.parse_args()
    count = 40 if arguments.quick else arguments.records
    with tempfile.TemporaryDirectory() as name, BrokerProcess(Path(name) / "broker", *free_ports(2)) as broker:
        rows = asyncio.run(measured(KafkaSettings(broker.bootstrap, partitions=1), Path(name), count))
    finish(f"{count:,} results of {POINTS} points", rows, arguments)


async def measured(kafka: KafkaSettings, folder: Path, count: int) -> list[Row]:
    codec, cases = Codec(), list(product(KINDS, COMPRESSIONS))
    cpu: dict[tuple[str, str], list[float]] = {case: [] for case in cases}
    kept: dict[tuple[str, str], float] = {}
    values = {kind: [codec.encode(result(kind, number)) for number in range(count)] for kind in KINDS}
    for turn in range(TURNS):
        for kind, compression in cases:
            topic = f"{kind}.{compression}.{turn}"
            provision(kafka, [replace(CLUSTERED, name=topic)])
            size = sum(map(len, values[kind])) / GB
            took = await written(replace(kafka, compression=compression), topic, values[kind])
            cpu[kind, compression].append(took / size)
            logs = (folder / "broker").rglob(f"{topic}-0/*.log")
            kept[kind, compression] = sum(log.stat().st_size for log in logs) / size / GB
    rows = []
    for kind, compression in cases:
        seconds, plain = statistics.median(cpu[kind, compression]), statistics.median(cpu[kind, "none"])
        share, all_of_it = kept[kind, compression], kept[kind, "none"]
        rows += [
            Row(f"{kind}, {compression}: CPU", seconds, "s/GB", "none", seconds / plain),
            Row(f"{kind}, {compression}: kept", share, "GB/GB", "none", share / all_of_it),
        ]
    return rows


async def written(kafka: KafkaSettings, topic: str, values: list[bytes]) -> float:
    """Seconds of processor time that the process took until all were durable."""
    producer = Producer(kafka, "bench-compression")
    try:
        await producer.send(topic, values[0], partition=0)  # connected, with an epoch of its own
        flight, began = Flight(), time.process_time()
        for value in values:
            producer.launch(flight, topic, value, partition=0)
        await flight.landed()
        return time.process_time() - began
    finally:
        await producer.close()


def result(kind: str, number: int) -> PointsClustered:
    made = np.random.default_rng(number)
    values = made.normal(20, 5, size=POINTS * DIMENSION)
    similarities = made.random(POINTS)
    rounded = kind == "sensors"
    return PointsClustered(
        stream="bench",
        source_partition=0,
        source_offset=number,
        batch_id=None,
        request_id=None,
        source="bench",
        observed_at=NOW + number,
        processed_at=NOW + number,
        first_point=1 + number * POINTS,
        dimension=DIMENSION,
        metadata={},
        labels=made.integers(-1, 12, POINTS).tolist(),
        similarities=similarities,
        values=values.round(3) if rounded else values,
    )


if __name__ == "__main__":
    main()
