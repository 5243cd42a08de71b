"""Workers as processes on a real broker: stopped, killed, joined and left, they lose, repeat and mix up nothing."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pytest
from confluent_kafka import Consumer, TopicPartition

from pipeline.clock import now
from pipeline.embedded.kafka.broker import BrokerProcess
from pipeline.heartbeat import STALE_SECONDS
from pipeline.kafka.browse import committed, stretch
from pipeline.kafka.provision import provision
from pipeline.settings import KafkaSettings
from schemas.catalogue import group_reading
from schemas.clustering.points import PointsObserved
from schemas.clustering.topics import OBSERVED
from schemas.codec import Codec
from schemas.exchange import Refused
from schemas.operations.topics import VITALS
from schemas.operations.vitals import VitalsReported
from tests.flow.campaign.outcome import HOLE_ENDED
from tests.flow.child import Child, worker
from tests.flow.history import Place, Reference, delivered, stored_states
from tests.flow.load import await_commits, lag, load
from tests.flow.stack import until
from tests.pipeline.kafka.topics import Topics
from tests.ports import free_ports
from topologies.intake import partition_of
from topologies.site import EXIT_BROKEN

pytestmark = [pytest.mark.flow, pytest.mark.timeout(240)]

CODEC = Codec()
Make = Callable[..., Child]


@pytest.fixture
def kafka(kafka_bootstrap: str) -> KafkaSettings:
    settings = KafkaSettings(bootstrap=kafka_bootstrap)
    provision(settings)
    return settings


@pytest.fixture
def make(kafka: KafkaSettings, tmp_path: Path) -> Iterator[Make]:
    """`make(ordinal)` is a worker, not started; it is stopped at the end. Unless told otherwise its membership is not
    static, so that a worker that ends is not waited for by the next. Of a test that fails, pytest shows their logs."""
    with ExitStack() as running:

        def made(ordinal: int, module: str = "topologies", **told: str) -> Child:
            environ = {
                "THALWEG_KAFKA_BOOTSTRAP": kafka.bootstrap,
                "THALWEG_WORKER_SESSION_SECONDS": "6",
                "THALWEG_WORKER_STATIC": "false",
            }
            child = worker(ordinal, environ | told, tmp_path, module)
            running.callback(lambda: sys.stdout.write(f"{child.log.name} ends with:\n{child.tail(20_000)}\n"))
            running.callback(child.stop)
            return child

        yield made


@pytest.fixture
def prefix() -> str:
    return f"worker{time.time_ns()}"


def refused(kafka: KafkaSettings, prefix: str) -> tuple[dict[Place, str], int]:
    """Reasons by place, and how many letters there are."""
    letters = [
        CODEC.decode(record.value or b"", Refused)
        for record in stretch(kafka, OBSERVED.refused)
        if (record.key or b"").startswith(prefix.encode())
    ]
    return {(letter.source_partition, letter.source_offset): letter.reason for letter in letters}, len(letters)


def assert_as_if_undisturbed(kafka: KafkaSettings, prefix: str) -> int:
    """States bit for bit, labels and refusals; returns how many outputs were delivered twice."""
    truth = Reference(kafka, CODEC, now, prefix)
    labels, repeats = delivered(kafka, CODEC, prefix)
    reasons, letters = refused(kafka, prefix)
    assert labels == truth.labels
    assert reasons == truth.refusals
    assert stored_states(kafka, prefix) == truth.states
    assert truth.labels
    return repeats + letters - len(reasons)


def reported(kafka: KafkaSettings, ordinal: int) -> list[int]:
    """The partitions of points that the worker holds, by its last report."""
    reports = [CODEC.decode(record.value or b"", VitalsReported) for record in stretch(kafka, VITALS.name)]
    held = [report.assigned.get(OBSERVED.name, []) for report in reports if report.process == f"worker-{ordinal}"]
    return held[-1] if held else []


def shared_out(kafka: KafkaSettings, *ordinals: int) -> bool:
    """Whether each of them holds some, and together every partition once."""
    held = [reported(kafka, ordinal) for ordinal in ordinals]
    return all(held) and sorted(number for numbers in held for number in numbers) == list(range(kafka.partitions))


async def test_a_worker_that_is_asked_to_end_leaves_nothing_half_done(
    kafka: KafkaSettings, make: Make, prefix: str
) -> None:
    worker = make(90).start()
    loading = asyncio.create_task(load(kafka, prefix, seed=1, batches=500))
    for _ in range(2):
        await asyncio.sleep(1.5)
        assert await asyncio.to_thread(worker.stop) == 0
        await asyncio.to_thread(worker.start)
    await loading
    await asyncio.to_thread(await_commits, kafka)
    assert worker.stop() == 0
    assert lag(kafka) == 0
    repeats = assert_as_if_undisturbed(kafka, prefix)
    assert repeats == 0
    assert {"avro_invalid", "frame_invalid"} & set(refused(kafka, prefix)[0].values())


@pytest.mark.proof
async def test_a_worker_that_was_killed_goes_on_with_the_states_it_had(
    kafka: KafkaSettings, make: Make, prefix: str
) -> None:
    worker = make(91).start()
    await load(kafka, prefix, seed=2, batches=150, pace=50)
    await asyncio.to_thread(await_commits, kafka)
    before = stored_states(kafka, prefix)
    worker.kill()
    await load(kafka, prefix, seed=3, batches=150, pace=50, first=1000)
    assert stored_states(kafka, prefix) == before
    await asyncio.to_thread(worker.start)
    await asyncio.to_thread(await_commits, kafka)
    assert assert_as_if_undisturbed(kafka, prefix) == 0, "all of it was committed before the kill"
    assert stored_states(kafka, prefix) != before


async def test_a_worker_that_joins_and_leaves_under_load_changes_nothing(
    kafka: KafkaSettings, make: Make, prefix: str
) -> None:
    make(92).start()
    second = make(93)
    ended = asyncio.Event()

    async def keep_loading() -> None:
        first = 0
        while not ended.is_set():
            await load(kafka, prefix, seed=first, batches=100, first=first)
            first += 100

    loading = asyncio.create_task(keep_loading())
    try:
        await asyncio.to_thread(second.start)
        await until(lambda: asyncio.to_thread(lambda: shared_out(kafka, 92, 93)))
        assert await asyncio.to_thread(second.stop) == 0
        assert reported(kafka, 93) == [], "it says so when it ends"
    finally:
        ended.set()
        await loading
    await asyncio.to_thread(await_commits, kafka)
    assert_as_if_undisturbed(kafka, prefix)


async def test_a_static_worker_that_is_back_in_time_is_not_missed(
    kafka: KafkaSettings, make: Make, prefix: str
) -> None:
    told = {"THALWEG_WORKER_STATIC": "true", "THALWEG_WORKER_SESSION_SECONDS": "35"}
    one, two = make(94, **told), make(95, **told)
    for each in (one, two):
        each.launch()
    for each in (one, two):
        each.await_ready()
    await load(kafka, prefix, seed=5, batches=60, pace=60)
    await asyncio.to_thread(await_commits, kafka)
    assignments = one.log.read_bytes().count(ASSIGNED)
    assert assignments > 0
    assert two.stop() == 0
    await load(kafka, prefix, seed=6, batches=60, pace=60, first=1000)
    await asyncio.to_thread(two.start)
    await asyncio.to_thread(await_commits, kafka)
    assert one.log.read_bytes().count(ASSIGNED) == assignments, "the other worker took part in a rebalance"
    assert assert_as_if_undisturbed(kafka, prefix) == 0


async def test_what_an_aborted_transaction_wrote_was_never_said_and_a_committed_one_is_read_to_its_end(
    kafka: KafkaSettings, make: Make, prefix: str
) -> None:
    topics, stream = Topics(kafka), f"{prefix}-0"
    partition = partition_of(stream.encode(), kafka.partitions)

    def write(at: float, *, aborted: bool = False) -> None:
        values = np.random.default_rng(abs(int(at))).normal(at, 1, 15)
        batches = [CODEC.encode(PointsObserved(stream, now(), 3, values + shift)) for shift in (0, 0.1, 0.2)]
        topics.write_in_a_transaction(OBSERVED.name, batches, partition, stream.encode(), aborted=aborted)

    def transactions() -> None:
        for at in (0, 5):
            write(at)
            write(-500 - at, aborted=True)

    await asyncio.to_thread(transactions)  # some are in one fetch
    await load(kafka, prefix, seed=11, batches=60, pace=60)
    child = make(89).start()
    await asyncio.to_thread(await_commits, kafka)
    await asyncio.to_thread(write, 1)  # others come one by one, and the log ends with the marker of an aborted one
    await asyncio.to_thread(write, -900, aborted=True)
    await asyncio.to_thread(await_commits, kafka)
    assert child.stop() == 0
    assert lag(kafka) == 0
    assert assert_as_if_undisturbed(kafka, prefix) == 0
    told = [labels for (place, _), labels in delivered(kafka, CODEC, prefix)[0].items() if place == partition]
    assert len([labels for labels in told if len(labels) == 5]) == 9, "three batches of each committed transaction"
    assert "ERROR" not in child.tail(100_000)


ASSIGNED = b"Executing _on_partitions_assigned"


async def test_a_worker_that_lost_a_run_on_the_way_ends_before_it_acknowledges_what_follows(
    kafka: KafkaSettings, make: Make, prefix: str
) -> None:
    holed = make(97, "tests.flow.holed").start()
    await load(kafka, prefix, seed=9, batches=200)
    assert await asyncio.to_thread(holed.process.wait, 60) == EXIT_BROKEN
    [*_, last] = holed.tail().strip().splitlines()
    assert HOLE_ENDED.search(last.encode()), last
    await asyncio.to_thread(make(98).start)
    await asyncio.to_thread(await_commits, kafka)
    assert_as_if_undisturbed(kafka, prefix)


async def test_a_worker_that_is_started_while_kafka_is_away_waits_for_it(tmp_path: Path, prefix: str) -> None:
    port, controller_port = free_ports(2)
    kafka = KafkaSettings(f"127.0.0.1:{port}")
    told = {"THALWEG_KAFKA_BOOTSTRAP": kafka.bootstrap, "THALWEG_WORKER_STATIC": "false"}
    child = worker(99, told, tmp_path)
    child.launch()
    try:
        await until(lambda: asyncio.sleep(0, b"PROGRESS waiting for Kafka" in child.since_launch()))
        assert child.trouble() == "worker is starting"
        with BrokerProcess(tmp_path / "kafka", port, controller_port):
            provision(kafka)
            await load(kafka, prefix, seed=10, batches=30, pace=30)
            await asyncio.to_thread(child.await_ready)
            await until(lambda: asyncio.sleep(0, child.trouble() is None))
            child.freeze()
            assert "hangs: it has not beaten for" in str(child.trouble(after=STALE_SECONDS + 1))
            child.thaw()
            await asyncio.to_thread(await_commits, kafka)
            assert child.stop() == 0
            assert str(child.trouble()).endswith("is gone")
    finally:
        child.kill()


async def test_a_worker_whose_state_is_behind_its_commit_ends_and_says_why(tmp_path: Path, prefix: str) -> None:
    port, controller_port = free_ports(2)
    with BrokerProcess(tmp_path / "kafka", port, controller_port) as broker:  # its group's offsets are tampered with
        kafka = KafkaSettings(broker.bootstrap)
        provision(kafka)
        told = {"THALWEG_KAFKA_BOOTSTRAP": broker.bootstrap, "THALWEG_WORKER_STATIC": "false"}
        with worker(96, told, tmp_path) as child:
            await load(kafka, prefix, seed=7, batches=30, pace=30)
            await asyncio.to_thread(await_commits, kafka)
            assert child.stop() == 0
            await load(kafka, prefix, seed=8, batches=60, pace=60, first=1000)
            reached = committed(kafka, group_reading(OBSERVED), OBSERVED.name)
            commit(kafka, {partition: (offset or 0) + 1 for partition, offset in reached.items()})
            child.launch()
            assert await asyncio.to_thread(child.process.wait, 60) == EXIT_BROKEN
            [*_, last] = child.tail().strip().splitlines()
            assert "this worker ends, so that nothing is lost" in last
            assert "the state has reached" in last
            assert child.tail().count("this worker ends") == 1
            assert "Traceback" not in child.tail()


def commit(kafka: KafkaSettings, offsets: dict[int, int]) -> None:
    """As an operator's reset would; the group must have no members."""
    told = {"bootstrap.servers": kafka.bootstrap, "group.id": group_reading(OBSERVED), "enable.auto.commit": False}
    consumer = Consumer(told)
    places = [TopicPartition(OBSERVED.name, partition, offset) for partition, offset in offsets.items()]
    consumer.commit(offsets=places, asynchronous=False)
    consumer.close()


@pytest.mark.parametrize(
    ("told", "said"),
    [
        ({"THALWEG_PARTITIONS": "none"}, "THALWEG_PARTITIONS='none' cannot be used"),
        ({"THALWEG_DATA_DIR": "/proc/none"}, "THALWEG_DATA_DIR: /proc/none/faust/worker-0 cannot be made"),
    ],
)
def test_what_is_misconfigured_is_said_in_one_line(told: dict[str, str], said: str) -> None:
    command = [sys.executable, "-m", "topologies"]
    ran = subprocess.run(command, env=told, capture_output=True, text=True, timeout=120, check=False)
    assert ran.returncode == 78
    [line] = ran.stderr.strip().splitlines()
    assert said in line
