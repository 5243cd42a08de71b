"""The archive on a real broker and the real engine: every row exactly once, whatever happens to whom."""

from __future__ import annotations

import contextlib
import random
import signal
import threading
import time
import uuid
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from itertools import zip_longest
from pathlib import Path

import pytest
from confluent_kafka import Producer

from pipeline.embedded.kafka.broker import BrokerProcess
from pipeline.embedded.warehouse.process import WarehouseProcess
from pipeline.errors import Misconfigured
from pipeline.kafka import browse
from pipeline.kafka.provision import provision
from pipeline.settings import KafkaSettings, WarehouseSettings
from pipeline.warehouse.archive.archive import Archive
from pipeline.warehouse.archive.assembler import Target
from pipeline.warehouse.archive.drifts import DRIFTS
from pipeline.warehouse.archive.points import POINTS
from pipeline.warehouse.archive.settings import ArchiveSettings
from pipeline.warehouse.archive.streams import STREAMS
from pipeline.warehouse.connection import Connection
from pipeline.warehouse.retention import Retention
from pipeline.warehouse.tables import bring_up_to_date
from schemas.event import Event
from schemas.topic import Topic
from tests.flow.child import FENCED, Child
from tests.pipeline.warehouse.databases import migrated_database, value
from tests.pipeline.warehouse.records import CODEC, drift, points, update
from tests.ports import free_ports

pytestmark = [pytest.mark.flow, pytest.mark.timeout(300)]

PARTITIONS = 2
PASSWORD = "archive-test"
QUICK = ArchiveSettings(session_ms=6_000, block_rows=200, linger_ms=100)


@pytest.fixture
def kafka(kafka_bootstrap: str) -> KafkaSettings:
    return KafkaSettings(kafka_bootstrap, partitions=PARTITIONS)


@pytest.fixture
def tables(warehouse_url: str) -> Iterator[Connection]:
    with migrated_database(warehouse_url) as connection:
        yield connection


def own(target: Target, kafka: KafkaSettings) -> Target:
    """The target with a topic of this test's own."""
    topic: Topic = replace(target.topic, name=f"{uuid.uuid4().hex[:8]}.{target.topic.name}")
    provision(kafka, [topic])
    return replace(target, topic=topic)


class Log:
    """Writes records as workers do: on the partition of their source."""

    def __init__(self, kafka: KafkaSettings) -> None:
        self._producer = Producer({"bootstrap.servers": kafka.bootstrap, "linger.ms": 2})

    def write(self, target: Target, event: Event | None, partition: int, key: bytes = b"stream-0") -> None:
        self.write_raw(target, None if event is None else CODEC.encode(event), partition, key)

    def write_raw(self, target: Target, raw: bytes | None, partition: int, key: bytes = b"stream-0") -> None:
        self._producer.produce(target.topic.name, value=raw, key=key, partition=partition)

    def flush(self) -> None:
        assert self._producer.flush(30) == 0


@contextlib.contextmanager
def archiving(
    kafka: KafkaSettings, connection: Connection, *targets: Target, settings: ArchiveSettings = QUICK
) -> Iterator[Archive]:
    """An archive in a thread of this process, in a group of its own unless told; stopped at the end."""
    if settings.group == ArchiveSettings.group:
        settings = replace(settings, group=f"archive-{uuid.uuid4().hex[:8]}")
    archive = Archive(kafka, connection, CODEC, settings, targets)
    stop = threading.Event()
    failures: list[BaseException] = []

    def run() -> None:
        try:
            archive.run(stop)
        except BaseException as failure:
            failures.append(failure)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield archive
    finally:
        stop.set()
        thread.join(60)
    assert not failures, failures


def until(condition: Callable[[], bool], patience: float = 90.0) -> None:
    deadline = time.monotonic() + patience
    while not condition():
        assert time.monotonic() < deadline, "it has not come about"
        time.sleep(0.1)


def rows(tables: Connection) -> int:
    return int(value(tables, "SELECT count() FROM points"))


def assert_exactly(tables: Connection, batches: Iterable[tuple[int, int]], size: int) -> None:
    """Every point of every batch (source partition, source offset) is there once, with its own numbers; rollups
    agree."""
    wanted = sorted(set(batches))
    found = tables.rows(
        "SELECT source_partition, source_offset, count(), uniqExact(batch_index), uniqExact(_offset) FROM points "
        "GROUP BY source_partition, source_offset ORDER BY 1, 2"
    )
    assert [tuple(row) for row in found] == [(partition, offset, size, size, 1) for partition, offset in wanted]
    for partition, offset in random.Random(0).sample(wanted, min(20, len(wanted))):
        stored = tables.rows(
            "SELECT cluster_id, similarity, values FROM points WHERE source_partition = {p:UInt32} "
            "AND source_offset = {o:Int64} ORDER BY batch_index",
            {"p": partition, "o": offset},
        )
        batch = points(partition, offset, size)
        made = zip(batch.labels, batch.similarities, batch.values.reshape(-1, 2).tolist(), strict=True)
        assert [tuple(row) for row in stored] == list(made)
    assert_rollups_agree(tables)


def assert_rollups_agree(tables: Connection) -> None:
    by_minute = "SELECT stream, minute, points, outliers, round(mean_similarity, 9) FROM points_per_minute ORDER BY ALL"
    assert tables.rows(by_minute) == tables.rows(
        "SELECT stream, toStartOfMinute(observed_at) AS minute, count(), countIf(is_outlier), "
        "round(avg(similarity), 9) FROM points GROUP BY ALL ORDER BY ALL"
    )
    by_cluster = "SELECT stream, cluster_id, minute, points FROM cluster_points_per_minute ORDER BY ALL"
    assert tables.rows(by_cluster) == tables.rows(
        "SELECT stream, cluster_id, toStartOfMinute(observed_at) AS minute, count() FROM points "
        "GROUP BY ALL ORDER BY ALL"
    )


def repeating(batches: int, seed: int) -> list[int]:
    """Source offsets as two workers leave them that crash and are thought dead: each is new once, then repeated at
    random, in stretches and in disorder."""
    chance = random.Random(seed)
    told: list[int] = []
    for offset in range(batches):
        told.append(offset)
        if chance.random() < 0.1:
            start = chance.randrange(max(0, offset - 30), offset + 1)
            again = list(range(start, offset + 1))
            if chance.random() < 0.5:
                chance.shuffle(again)
            told += again
    return told


def test_what_workers_tell_twice_is_stored_once(kafka: KafkaSettings, tables: Connection) -> None:
    target, log = own(POINTS, kafka), Log(kafka)
    told = [(partition, offset) for partition in range(PARTITIONS) for offset in repeating(400, seed=partition)]
    assert len(told) > 2 * 400
    for partition, offset in told:
        log.write(target, points(partition, offset), partition)
    log.flush()
    with archiving(kafka, tables, target) as archive:
        until(lambda: rows(tables) >= 2 * 400 * 3 and archive.counts["repeated"] == len(told) - 2 * 400)
    assert_exactly(tables, told, size=3)


def test_repetitions_are_known_after_a_restart(kafka: KafkaSettings, tables: Connection) -> None:
    target, log = own(POINTS, kafka), Log(kafka)
    for offset in range(50):
        log.write(target, points(0, offset), 0)
    log.flush()
    with archiving(kafka, tables, target):
        until(lambda: rows(tables) == 150)
    for offset in (*range(20, 50), 50, 51):
        log.write(target, points(0, offset), 0)
    log.flush()
    with archiving(kafka, tables, target) as archive:
        until(lambda: rows(tables) == 156)
        assert archive.counts["repeated"] == 30
    assert_exactly(tables, [(0, offset) for offset in range(52)], size=3)


def test_archives_that_each_take_every_partition_for_theirs_store_each_row_once(
    kafka: KafkaSettings, tables: Connection
) -> None:
    target, log = own(POINTS, kafka), Log(kafka)
    batches = [(partition, offset) for offset in range(1500) for partition in range(PARTITIONS)]
    rivals = [replace(QUICK, block_rows=size) for size in (100, 170, 333)]
    with contextlib.ExitStack() as running:
        for settings in rivals:
            running.enter_context(archiving(kafka, tables, target, settings=settings))
        for partition, offset in batches:
            log.write(target, points(partition, offset), partition)
            if offset % 100 == 0:
                log.flush()
                time.sleep(0.05)
        log.flush()
        until(lambda: rows(tables) >= len(batches) * 3)
    assert_exactly(tables, batches, size=3)


def test_what_cannot_be_read_is_kept_aside_and_the_rest_goes_on(kafka: KafkaSettings, tables: Connection) -> None:
    target, log = own(POINTS, kafka), Log(kafka)
    log.write(target, points(0, 0), 0)
    for poison in (b"\0\0\0\0", b"\0\0\1\xff\xffxx", CODEC.encode(points(0, 1))[:-9], b"not avro", None):
        log.write_raw(target, poison, 0, key=b"\xff")
    log.write(target, replace(points(0, 1), labels=[1]), 0)
    log.write(target, points(0, 2), 0)
    log.flush()
    for _ in range(2):
        with archiving(kafka, tables, target) as archive:
            until(lambda: rows(tables) == 6 and not archive.counts["rows"] % 3)
    assert_exactly(tables, [(0, 0), (0, 2)], size=3)
    refused = tables.rows(
        "SELECT offset, reason, value_size > 0 FROM refused WHERE topic = {t:String} ORDER BY offset",
        {"t": target.topic.name},
    )
    reasons = ["frame_invalid", "schema_unknown", "avro_invalid", "frame_invalid", "value_missing", "shape_invalid"]
    assert [tuple(row) for row in refused] == [(place, reason, place != 5) for place, reason in enumerate(reasons, 1)]


def test_streams_clusters_and_drifts_are_stored_and_a_deleted_stream_is_gone(
    kafka: KafkaSettings, tables: Connection
) -> None:
    streams, drifts, log = own(STREAMS, kafka), own(DRIFTS, kafka), Log(kafka)
    for event in (update("a", 1, {1: 5, 2: 5}), update("a", 2, {1: 9, 2: 5}), update("a", 1, {1: 5, 2: 5})):
        log.write(streams, event, 0, key=b"a")
    log.write(streams, update("b", 3, {7: 1, 8: 1}), 0, key=b"b")
    for _ in range(2):
        log.write(streams, None, 0, key=b"b")
        log.write(drifts, drift(4), 0)
    log.write(drifts, drift(4, ordinal=1), 0)
    log.flush()
    with archiving(kafka, tables, streams, drifts):
        until(lambda: value(tables, "SELECT count() FROM stream_history") == 4)
        until(lambda: value(tables, "SELECT count() FROM drift_log") == 2)
    assert tables.rows("SELECT stream, clusters FROM streams_now") == [("a", 2)]
    assert tables.rows("SELECT stream, cluster_id, size FROM clusters_now ORDER BY ALL") == [("a", 1, 9), ("a", 2, 5)]
    assert value(tables, "SELECT countIf(deleted) FROM stream_history WHERE stream = 'b'") == 1


def test_the_groups_lag_can_be_seen_though_it_is_never_used(kafka: KafkaSettings, tables: Connection) -> None:
    target, log = own(POINTS, kafka), Log(kafka)
    group = f"archive-{uuid.uuid4().hex[:8]}"
    for offset in range(10):
        log.write(target, points(0, offset), 0)
    log.flush()
    with archiving(kafka, tables, target, settings=replace(QUICK, group=group)):
        until(lambda: rows(tables) == 30)
    assert browse.committed(kafka, group, target.topic.name)[0] == 10
    tables.command("TRUNCATE TABLE points")
    with archiving(kafka, tables, target, settings=replace(QUICK, group=group)):
        until(lambda: rows(tables) == 30)


def test_a_log_that_ends_before_the_table_does_is_not_archived(kafka: KafkaSettings, tables: Connection) -> None:
    target, log = own(POINTS, kafka), Log(kafka)
    for offset in range(3):
        log.write(target, points(0, offset), 0)
    log.flush()
    with archiving(kafka, tables, target):
        until(lambda: rows(tables) == 9)
    tables.command(
        "INSERT INTO points (_topic, _partition, _offset, _previous, _block_at) SELECT {t:String}, 0, 999, 2, now()",
        {"t": target.topic.name},
    )
    archive = Archive(kafka, tables, CODEC, replace(QUICK, group=f"archive-{uuid.uuid4().hex[:8]}"), [target])
    with pytest.raises(Misconfigured, match="up to offset 999, but the log ends at 3"):
        archive.run(threading.Event())


class Stack:
    """A broker and a warehouse of a test's own, and archives as processes, as they run in production."""

    def __init__(self, folder: Path, broker: BrokerProcess) -> None:
        [port] = free_ports(1)
        self.warehouse = WarehouseProcess(
            folder / "warehouse", port, {"THALWEG_WAREHOUSE_USER": "thalweg", "THALWEG_WAREHOUSE_PASSWORD": PASSWORD}
        )
        self.environ = {
            "THALWEG_KAFKA_BOOTSTRAP": broker.bootstrap,
            "THALWEG_CLICKHOUSE_URL": f"http://thalweg:{PASSWORD}@127.0.0.1:{port}/kills",
            "THALWEG_ARCHIVE_SESSION_MS": "6000",
            "THALWEG_ARCHIVE_BLOCK_ROWS": "300",
            "THALWEG_ARCHIVE_LINGER_MS": "50",
        }
        self.kafka = KafkaSettings(broker.bootstrap, partitions=PARTITIONS)
        self.settings = WarehouseSettings.from_environment(self.environ)
        self.folder = folder

    def archive(self, instance: str) -> Child:
        told = {**self.environ, "THALWEG_ARCHIVE_INSTANCE": instance}
        return Child("pipeline.warehouse.archive", [], told, self.folder / f"archive-{instance}.log")


class Supervised:
    """Archives kept running. One that stood still for about as long as a session may find that Kafka takes it for
    another of its name; it ends, saying so, and is started again: nothing else is a reason to end."""

    def __init__(self, archives: list[Child]) -> None:
        self.archives = archives
        for archive in archives:
            archive.launch()

    def revive(self) -> bool:
        """True, so that a condition that is looked at again and again may begin with it."""
        for archive in self.archives:
            if not archive.runs:
                assert archive.process.wait() == 1, archive.tail()
                assert FENCED.encode() in archive.since_launch().splitlines()[-1], archive.tail()
                archive.launch()
        return True

    def end(self) -> None:
        self.revive()
        for archive in self.archives:
            archive.process.terminate()
        for archive in self.archives:
            # One that has only just been started knows no signals yet.
            assert archive.process.wait(10) in (0, -signal.SIGTERM), archive.tail()


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Stack]:
    port, controller_port = free_ports(2)
    with BrokerProcess(tmp_path / "kafka", port, controller_port) as broker:
        made = Stack(tmp_path, broker)
        provision(made.kafka)
        with made.warehouse:
            bring_up_to_date(made.settings, Retention())
            yield made


def load(stack: Stack, batches: list[tuple[int, int]], seconds: float) -> threading.Thread:
    """Writes the batches, one after another, evenly over that time."""

    def write() -> None:
        log, began = Log(stack.kafka), time.monotonic()
        for place, (partition, offset) in enumerate(batches):
            log.write(POINTS, points(partition, offset, 5), partition)
            if place % 50 == 0:
                time.sleep(max(0.0, began + seconds * place / len(batches) - time.monotonic()))
        log.flush()

    thread = threading.Thread(target=write)
    thread.start()
    return thread


def await_progress(connection: Connection, writing: threading.Thread, kept: Supervised) -> None:
    before = rows(connection)
    until(lambda: kept.revive() and (rows(connection) > before or not writing.is_alive()))


@pytest.mark.proof
@pytest.mark.parametrize("seed", [7])
def test_archives_killed_stopped_and_woken_under_load_store_every_row_once(stack: Stack, seed: int) -> None:
    chance = random.Random(seed)
    lanes = [[(partition, offset) for offset in repeating(2500, seed + partition)] for partition in range(PARTITIONS)]
    batches = [batch for pair in zip_longest(*lanes) for batch in pair if batch is not None]
    kept = Supervised([stack.archive("one"), stack.archive("two")])
    writing = load(stack, batches, seconds=40)
    connection = Connection(stack.settings)
    try:
        for _ in range(8):
            await_progress(connection, writing, kept)
            time.sleep(chance.uniform(0.0, 0.5))
            victim = chance.choice(kept.archives)
            if chance.random() < 0.4:
                victim.freeze()
                time.sleep(chance.uniform(0.5, 10.0))  # the group gives a member up after 6 s
                victim.thaw()
            else:
                victim.kill()
                victim.launch()
        writing.join()
        until(lambda: kept.revive() and rows(connection) >= len(set(batches)) * 5)
        kept.end()
        assert_exactly(connection, batches, size=5)
    finally:
        connection.close()
        for archive in kept.archives:
            archive.kill()


def test_a_warehouse_killed_and_stopped_under_load_ends_with_every_row_once(stack: Stack) -> None:
    chance = random.Random(3)
    batches = [(partition, offset) for offset in range(2500) for partition in range(PARTITIONS)]
    archive = stack.archive("one")
    archive.launch()
    writing = load(stack, batches, seconds=15)
    try:
        while writing.is_alive():
            time.sleep(chance.uniform(0.5, 2.0))
            if chance.random() < 0.7:
                stack.warehouse.kill()
            else:
                stack.warehouse.stop()
            time.sleep(chance.uniform(0.0, 3.0))
            stack.warehouse.start()
        writing.join()
        connection = Connection(stack.settings)
        until(lambda: rows(connection) >= len(batches) * 5)
        assert archive.runs, "it must wait for the warehouse, not end"
        assert archive.stop(10) == 0
        assert_exactly(connection, batches, size=5)
        connection.close()
    finally:
        archive.kill()
