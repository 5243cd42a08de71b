"""How fast is the archive beside a bare insert_arrow loop? Rows a second, both in one run, on the same warehouse.

    python -m bench.archive [--quick] [--rows 2000000] [--batch 1000] [--dimension 8] [--json FILE]

The log is filled first. Then, by turns: a loop that inserts ready-made blocks of the archive's columns with no
rollup (the bound), the same with the rollup's own insert, and the archive from its first record to its last row. The
median turn counts. Broker, warehouse and all clients share this machine.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
from confluent_kafka import Producer

from bench.sheet import Row, finish, parser
from pipeline.embedded.kafka.broker import BrokerProcess
from pipeline.embedded.warehouse.process import WarehouseProcess
from pipeline.kafka.provision import provision
from pipeline.kafka.record import Record
from pipeline.settings import KafkaSettings, WarehouseSettings
from pipeline.warehouse.archive.archive import Archive
from pipeline.warehouse.archive.block import insert_settings
from pipeline.warehouse.archive.points import POINTS, PointsAssembler
from pipeline.warehouse.archive.settings import ArchiveSettings
from pipeline.warehouse.connection import Connection
from pipeline.warehouse.retention import Retention
from pipeline.warehouse.tables import bring_up_to_date
from schemas.clustering.points import PointsClustered
from schemas.codec import Codec
from tests.ports import free_ports

BARE = "bare insert_arrow"
ONWARD = "the same with the rollup's insert"
ARCHIVE = "archive"
GOAL = 0.7
CODEC = Codec()
NOW = time.time_ns() // 1000


@dataclass(frozen=True)
class Load:
    rows: int
    batch: int
    dimension: int
    partitions: int

    @property
    def batches(self) -> int:
        return self.rows // self.batch // self.partitions


def _run(load: Load, block: int, turns: int, folder: Path) -> dict[str, list[float]]:
    kafka_port, controller_port, warehouse_port = free_ports(3)
    environ = {"THALWEG_WAREHOUSE_USER": "bench", "THALWEG_WAREHOUSE_PASSWORD": "bench"}
    results: dict[str, list[float]] = {}
    with (
        BrokerProcess(folder / "kafka", kafka_port, controller_port) as broker,
        WarehouseProcess(folder / "warehouse", warehouse_port, environ) as warehouse,
    ):
        kafka = KafkaSettings(broker.bootstrap, partitions=load.partitions)
        provision(kafka, [POINTS.topic])
        _fill(broker.bootstrap, load)
        ready = _blocks(load, block)
        for turn in range(turns):
            works: dict[str, Callable[[WarehouseSettings], None]] = {
                BARE: partial(_insert, blocks=ready, onward=False),
                ONWARD: partial(_insert, blocks=ready, onward=True),
                ARCHIVE: partial(_archive, kafka, load),
            }
            for place, (name, work) in enumerate(works.items()):
                database = f"turn_{turn}_{place}"
                settings = WarehouseSettings(
                    "127.0.0.1", warehouse.port, user="bench", password="bench", database=database
                )
                results.setdefault(name, []).append(_rate(load, work, settings))
    return results


def _rate(load: Load, work: Callable[[WarehouseSettings], None], settings: WarehouseSettings) -> float:
    bring_up_to_date(settings, Retention())
    began = time.perf_counter()
    work(settings)
    took = time.perf_counter() - began
    founder = Connection(settings)
    founder.command(f"DROP DATABASE {settings.database}")
    founder.close()
    return load.batches * load.batch * load.partitions / took


def _fill(bootstrap: str, load: Load) -> None:
    producer = Producer({"bootstrap.servers": bootstrap, "compression.type": "lz4", "linger.ms": 5})
    for offset in range(load.batches):
        for partition in range(load.partitions):
            value = CODEC.encode(_batch(partition, offset, load))
            while True:
                try:
                    producer.produce(POINTS.topic.name, value=value, key=b"bench", partition=partition)
                    break
                except BufferError:
                    producer.poll(0.1)
        producer.poll(0)
    producer.flush()


def _batch(partition: int, offset: int, load: Load) -> PointsClustered:
    made = np.random.default_rng([partition, offset])
    return PointsClustered(
        stream=f"stream-{partition}",
        source_partition=partition,
        source_offset=offset,
        batch_id=None,
        request_id=None,
        source="bench",
        observed_at=NOW + offset * 10_000,
        processed_at=NOW + offset * 10_000 + 2000,
        first_point=1 + offset * load.batch,
        dimension=load.dimension,
        metadata={},
        labels=made.integers(-1, 30, load.batch).tolist(),
        similarities=made.random(load.batch),
        values=made.normal(size=load.batch * load.dimension),
    )


def _blocks(load: Load, block: int) -> list[pa.Table]:
    """The whole load as finished tables."""
    found = []
    for partition in range(load.partitions):
        assembler = PointsAssembler(CODEC, {})
        for offset in range(load.batches):
            value = CODEC.encode(_batch(partition, offset, load))
            assembler.add(Record(POINTS.topic.name, partition, offset, NOW // 1000, b"bench", value))
            if assembler.rows >= block or offset == load.batches - 1:
                found.append(assembler.take(offset))
    return found


def _insert(settings: WarehouseSettings, blocks: list[pa.Table], *, onward: bool) -> None:
    connection = Connection(settings)
    for place, block in enumerate(blocks):
        connection.insert(POINTS.table, block, insert_settings(f"bench {place}"))
        if onward and POINTS.onward is not None:
            connection.insert(POINTS.onward, block.select(list(POINTS.handed)), insert_settings(f"bench {place}"))
    connection.close()


def _archive(kafka: KafkaSettings, load: Load, settings: WarehouseSettings) -> None:
    connection = Connection(settings, timeout=120)
    archive = Archive(kafka, connection, CODEC, ArchiveSettings(group=settings.database), [POINTS])
    stop = threading.Event()
    thread = threading.Thread(target=archive.run, args=(stop,))
    thread.start()
    total = load.batches * load.batch * load.partitions
    # asked only towards the end: counting costs the warehouse more than some of the rows do
    while archive.counts["rows"] < total or connection.rows("SELECT count() FROM points")[0][0] < total:
        time.sleep(0.02)
    stop.set()
    thread.join()
    connection.close()


def measured(load: Load, block: int, turns: int) -> list[Row]:
    with tempfile.TemporaryDirectory() as folder:
        results = _run(load, block, turns, Path(folder))
    bound = statistics.median(results[BARE])
    rows = []
    for name, rates in results.items():
        rate = statistics.median(rates)
        what = f"{name}, {load.dimension} numbers a row, {load.batch} rows a record"
        if name == ARCHIVE:
            rows.append(Row(what, rate, "rows/s", BARE, rate / bound, f"≥ {GOAL}", rate >= GOAL * bound))
        else:
            rows.append(Row(what, rate, "rows/s", BARE, rate / bound))
    return rows


def main() -> None:
    flags = parser(__doc__ or "")
    flags.add_argument("--rows", type=int, default=2_000_000)
    flags.add_argument("--batch", type=int, default=1000, help="points in a record")
    flags.add_argument("--dimension", type=int, default=8)
    flags.add_argument("--partitions", type=int, default=4)
    flags.add_argument("--block", type=int, default=50_000, help="rows in a block of the bare loop")
    flags.add_argument("--turns", type=int, default=3)
    told: argparse.Namespace = flags.parse_args()
    load = Load(200_000 if told.quick else told.rows, told.batch, told.dimension, told.partitions)
    finish("The archive", measured(load, told.block, 1 if told.quick else told.turns), told)


if __name__ == "__main__":
    main()
