"""The command line as its users meet it: processes, a real broker, a real worker, a real API."""

from __future__ import annotations

import asyncio
import io
import json
import logging
import os
import select
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.cli.app import main
from pipeline.clock import now
from pipeline.kafka.browse import ends, stretch
from pipeline.kafka.producer import Producer
from pipeline.kafka.provision import provision
from pipeline.settings import KafkaSettings
from schemas.clustering.points import PointsObserved
from schemas.clustering.topics import OBSERVED
from schemas.codec import Codec
from schemas.exchange import REPLAYED, REPLAYED_FROM_HEADER, REQUEST_ID_HEADER, Replayed
from schemas.position import Position
from tests.flow.child import Child, api, worker
from tests.flow.stack import ADMIN_PASSWORD
from tests.ports import free_ports

pytestmark = [pytest.mark.flow, pytest.mark.timeout(240)]

CODEC = Codec()
CLEAN = {name: value for name, value in os.environ.items() if not name.startswith("THALWEG_")}


@dataclass(frozen=True)
class Thalweg:
    """The command, told where Kafka is."""

    kafka: KafkaSettings

    def start(self, *arguments: str, stdin: int | None = None) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "pipeline.cli", *arguments],
            stdin=stdin or subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**CLEAN, "THALWEG_KAFKA_BOOTSTRAP": self.kafka.bootstrap},
        )

    def __call__(self, *arguments: str, status: int = 0) -> tuple[str, str]:
        """Standard output and error of a command that ends with that status, run in this process: it is quicker."""
        out, err = io.StringIO(), io.StringIO()
        with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
            patch.setattr(sys, "argv", ["thalweg", *arguments])
            patch.setenv("THALWEG_KAFKA_BOOTSTRAP", self.kafka.bootstrap)
            patch.setenv("THALWEG_ADMIN_PASSWORD", ADMIN_PASSWORD)
            ended = 0
            try:
                main()
            except SystemExit as leaving:
                ended = int(leaving.code or 0)
        assert ended == status, out.getvalue() + err.getvalue()
        return out.getvalue(), err.getvalue()

    def json(self, *arguments: str) -> Any:
        return json.loads(self(*arguments, "--json")[0])


@pytest.fixture(scope="module")
def thalweg(kafka_bootstrap: str) -> Iterator[Thalweg]:
    thalweg = Thalweg(KafkaSettings(kafka_bootstrap))
    thalweg("topics", "create")
    yield thalweg
    logging.getLogger("pipeline.kafka").setLevel(logging.NOTSET)  # a command quiets it


@pytest.fixture(scope="module")
def running(thalweg: Thalweg, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A worker and an API; the URL of the API."""
    folder = tmp_path_factory.mktemp("cli")
    told = {
        "THALWEG_KAFKA_BOOTSTRAP": thalweg.kafka.bootstrap,
        "THALWEG_WORKER_SESSION_SECONDS": "6",
        "THALWEG_ADMIN_PASSWORD": ADMIN_PASSWORD,  # an earlier module's processes may have made the administrator
    }
    [port] = free_ports(1)
    parts: list[Child] = [worker(73, told, folder), api(told, folder, port)]
    try:
        for part in parts:
            part.launch()
        for part in parts:
            part.await_ready(90)
        yield f"http://127.0.0.1:{port}"
    finally:
        for part in reversed(parts):
            part.stop()


@pytest.fixture
def stream() -> str:
    return f"cli-{uuid.uuid4().hex[:8]}"


def of_stream(thalweg: Thalweg, stream: str) -> list[PointsObserved]:
    records = stretch(thalweg.kafka, OBSERVED.name)
    return [CODEC.decode(it.value, PointsObserved) for it in records if it.key == stream.encode() and it.value]


def until(condition: Callable[[], bool], patience: float = 60.0) -> None:
    deadline = time.monotonic() + patience
    while not condition():
        assert time.monotonic() < deadline, "it has not come about"
        time.sleep(0.2)


def send(thalweg: Thalweg, *records: tuple[bytes, bytes, dict[str, bytes]]) -> list[Position]:
    """(key, value, headers) each, as a producer of ours would."""

    async def write() -> list[Position]:
        producer = Producer(thalweg.kafka, "test")
        futures = [producer.send(OBSERVED.name, value, key=key, headers=told) for key, value, told in records]
        positions = [await future for future in futures]
        await producer.close()
        return positions

    return asyncio.run(write())


def test_topics_are_created_once_and_listed_with_what_they_hold(thalweg: Thalweg, stream: str) -> None:
    assert thalweg.json("topics", "create") == {"created": []}
    before = {row["name"]: row for row in thalweg.json("topics", "list")}
    send(thalweg, (stream.encode(), b"x", {}), (stream.encode(), b"y", {}))
    after = {row["name"]: row for row in thalweg.json("topics", "list")}
    assert after[OBSERVED.name]["records"] == before[OBSERVED.name]["records"] + 2
    assert (after[OBSERVED.name]["partitions"], after[OBSERVED.name]["schema_id"]) == (4, 1)
    assert after["clusters.updated.v1"]["lag"] is None
    assert "points.observed.refused.v1" in thalweg("topics", "list")[0]


def test_a_csv_file_arrives_whole_in_order_and_a_rerun_has_the_same_batch_ids(
    thalweg: Thalweg, stream: str, tmp_path: Path
) -> None:
    values = np.random.default_rng(1).normal(size=(2500, 2))
    file = tmp_path / "points.csv"
    file.write_text("x,y,kind\n" + "".join(f"{x!r},{y!r},k\n" for x, y in values.tolist()))
    flags = ("-s", stream, str(file), "--columns", "x,y", "--batch-id-prefix", "f", "--metadata", "site=north")
    receipts = [thalweg.json("produce", "points", *flags) for _ in range(2)]
    assert [(it["points"], it["records"], it["complete"]) for it in receipts] == [(2500, 3, True)] * 2
    events = of_stream(thalweg, stream)
    assert [event.batch_id for event in events] == ["f:1-1000", "f:1001-2000", "f:2001-2500"] * 2
    assert np.concatenate([event.values for event in events[:3]]).tobytes() == values.tobytes()
    assert events[0].metadata == {"site": "north"}


def test_a_bad_cell_ends_it_behind_what_stands_before(thalweg: Thalweg, stream: str, tmp_path: Path) -> None:
    file = tmp_path / "points.csv"
    file.write_text("a,b\n1,2\n3,4\n5,oops\n7,8\n")
    out, err = thalweg("produce", "points", "-s", stream, str(file), status=1)
    assert "line 4, column 2 (b): 'oops' is not a number" in err
    assert out.startswith("2 points of 2 numbers in 1 records")
    assert "read: 3 rows, 1 of them not used; columns a, b" in out
    thalweg("produce", "points", "-s", stream, str(file), "--skip-bad-rows")
    assert [event.values.tolist() for event in of_stream(thalweg, stream)] == [[1, 2, 3, 4], [1, 2, 3, 4, 7, 8]]


def test_an_input_without_points_is_a_failure(thalweg: Thalweg, stream: str, tmp_path: Path) -> None:
    file = tmp_path / "points.csv"
    for content in ("", "a,b\n", "a,b\n1,2,3\n"):
        file.write_text(content)
        out, err = thalweg("produce", "points", "-s", stream, str(file), "--skip-bad-rows", status=1)
        assert "nothing was sent" in err
        assert "rows, " in out
    told = json.loads(thalweg("produce", "points", "-s", stream, str(file), "--skip-bad-rows", "--json", status=1)[0])
    assert (told["points"], told["rows"], told["bad_rows"], told["complete"]) == (0, 1, 1, False)
    _, err = thalweg("produce", "points", "-s", stream, str(tmp_path), status=78)
    assert "is a directory: name a file in it" in err
    assert of_stream(thalweg, stream) == []


def test_ctrl_c_sends_what_an_endless_pipe_has_given(thalweg: Thalweg, stream: str) -> None:
    with thalweg.start("produce", "points", "-s", stream, "--linger", "0.5", stdin=subprocess.PIPE) as process:
        assert process.stdin is not None
        process.stdin.write("1,2\n3,4\n")
        process.stdin.flush()
        until(lambda: bool(of_stream(thalweg, stream)))
        process.stdin.write("5,6\n")
        process.stdin.flush()
        time.sleep(0.2)  # read, and not yet sent
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert out.startswith("3 points of 2 numbers")
    assert [value for event in of_stream(thalweg, stream) for value in event.values] == [1, 2, 3, 4, 5, 6]


def test_tail_shows_a_streams_records_and_ends_when_it_has_enough(thalweg: Thalweg, stream: str) -> None:
    event = PointsObserved(stream, now(), 1, np.arange(3.0))
    positions = send(thalweg, (stream.encode(), CODEC.encode(event), {}), (stream.encode(), b"no frame", {}))
    out, _ = thalweg("tail", OBSERVED.name, "-b", "-s", stream, "-n", "1")
    assert f"{positions[0]} {stream} " in out
    assert "values=[0 1 2]" in out
    lines = thalweg("tail", OBSERVED.name, "-b", "-s", stream, "--no-follow", "--json")[0].splitlines()
    told = [json.loads(line) for line in lines]
    assert [it["position"] for it in told] == [str(position) for position in positions]
    assert told[0]["value"]["values"] == [0, 1, 2]
    assert told[1]["undecodable"]["reason"] == "frame_invalid"


def test_tail_follows_what_comes_and_ends_quietly_when_nobody_reads(thalweg: Thalweg, stream: str) -> None:
    def write() -> None:
        send(thalweg, (stream.encode(), CODEC.encode(PointsObserved(stream, now(), 1, np.ones(1))), {}))

    with thalweg.start("tail", OBSERVED.name, "-s", stream) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        output, errors = process.stdout, process.stderr

        def shown() -> bool:
            write()
            return bool(select.select([output], [], [], 0.2)[0])

        def ended() -> bool:
            write()
            return process.poll() is not None

        until(shown)
        output.close()
        until(ended)
        assert (process.returncode, errors.read()) == (0, "")


def test_an_unknown_topic_and_an_absent_broker_are_told_with_what_to_do(thalweg: Thalweg) -> None:
    assert "`thalweg topics create` makes ours" in thalweg("tail", "no.such.topic", status=78)[1]
    [port] = free_ports(1)
    err = thalweg("topics", "list", "--bootstrap", f"127.0.0.1:{port}", status=1)[1]
    assert err.count("\n") == 1
    assert "thalweg up" in err


def test_dead_letters_are_counted_shown_and_replayed_once(thalweg: Thalweg, running: str, stream: str) -> None:
    key, value = stream.encode(), CODEC.encode(PointsObserved(stream, 1, 2, np.array([1.0, np.nan])))
    told = {REQUEST_ID_HEADER: b"r", "mine": b"1"}
    [place, _] = send(thalweg, (key, value, told), (key, b"garbage", {}))
    chosen = ("--position", str(place))
    until(lambda: "1 would be sent" in thalweg("dlq", "replay", *chosen)[0])
    reasons = {row["reason"] for row in thalweg.json("dlq", "list", OBSERVED.name)}
    assert {"values_not_finite", "frame_invalid"} <= reasons
    shown = thalweg.json("dlq", "show", str(place))
    assert (shown["reason"], shown["replayed_as"]) == ("values_not_finite", None)
    assert shown["record"]["value"]["values"] == [1, "NaN"]
    assert thalweg.json("dlq", "show", shown["letter"])["position"] == str(place)

    assert "1 sent" in thalweg("dlq", "replay", *chosen, "--yes")[0]
    assert thalweg("dlq", "replay", *chosen, "--yes")[0] == "0 sent; 1 had been replayed before\n"
    [again] = [
        it for it in stretch(thalweg.kafka, OBSERVED.name) if it.key == key and REPLAYED_FROM_HEADER in it.headers
    ]
    assert again.value == value
    assert again.headers == {"mine": b"1", REPLAYED_FROM_HEADER: str(place).encode()}
    assert thalweg.json("dlq", "show", str(place))["replayed_as"] == str(again.position)
    assert "1 would be sent" in thalweg("dlq", "replay", *chosen, "--again")[0]


@pytest.mark.parametrize("arrived", [True, False])
def test_a_replay_that_was_stopped_half_way_is_neither_repeated_nor_forgotten(
    thalweg: Thalweg, running: str, stream: str, arrived: bool
) -> None:
    [place] = send(thalweg, (stream.encode(), b"garbage", {}))
    chosen = ("--position", str(place))
    until(lambda: "1 would be sent" in thalweg("dlq", "replay", *chosen)[0])
    highs = [mark.high for _, mark in sorted(ends(thalweg.kafka, OBSERVED.name).items())]
    begun = Replayed(place.topic, place.partition, place.offset, now(), highs)
    _write_down(thalweg, begun)
    if arrived:
        send(thalweg, (stream.encode(), b"garbage", {REPLAYED_FROM_HEADER: str(place).encode()}))
    count = "0 sent; 1 had been replayed before" if arrived else "1 sent; 0 had been replayed before"
    assert count in thalweg("dlq", "replay", *chosen, "--yes")[0]


def _write_down(thalweg: Thalweg, told: Replayed) -> None:
    async def write() -> None:
        producer = Producer(thalweg.kafka, "test")
        await producer.send(REPLAYED.name, CODEC.encode(told), key=str(told.position).encode())
        await producer.close()

    asyncio.run(write())


@pytest.mark.parametrize("via", ["rest", "kafka"])
def test_the_demo_streams_a_real_data_set_and_measures_it(thalweg: Thalweg, running: str, via: str) -> None:
    out, _ = thalweg("demo", "segments", "--via", via, "--speed", "0", "--batch", "300", "--url", running)
    assert out.startswith("segments: ")
    assert "2,310 of 2,310 points" in out
    assert "2,310 points of 18 numbers in " in out
    assert _figure(out, "adjusted Rand index ") > 0.3
    assert _figure(out, "purity ") > 2 * _figure(out, "one cluster for all: ")


def _figure(text: str, behind: str) -> float:
    return float(text.split(behind)[1][:5])


def test_the_topics_of_the_catalogue_are_all_there(thalweg: Thalweg) -> None:
    assert provision(thalweg.kafka) == []
