"""A process without a port is well, waits, hangs, is gone or is set wrongly: its heartbeat tells which."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.errors import LogUnavailable, Misconfigured
from pipeline.heartbeat import EVERY_SECONDS, STALE_SECONDS, VARIABLE, Heartbeat, main, trouble
from pipeline.refusal import EX_CONFIG, WAIT, status_of

PROCESSES = ["topologies", "pipeline.courier", "pipeline.warehouse.archive", "ingest_api"]


class Time:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "run" / "heartbeat"


@pytest.fixture
def time() -> Time:
    return Time()


def test_a_process_is_well_only_while_it_does_its_work(path: Path, time: Time) -> None:
    assert trouble(path, time()) == f"there is no heartbeat in {path}: the process has not begun"
    heartbeat = Heartbeat(path, "worker", time)
    assert trouble(path, time()) == "worker is starting"
    heartbeat.beat(True)
    assert trouble(path, time()) is None
    heartbeat.beat(False)
    assert trouble(path, time()) == "worker is waiting"
    assert trouble(path, time(), live=True) is None


def test_one_that_stands_still_hangs_also_for_those_who_ask_only_that(path: Path, time: Time) -> None:
    Heartbeat(path, "worker", time).beat(True)
    for live in (False, True):
        assert trouble(path, time() + STALE_SECONDS, live=live) is None
        assert trouble(path, time() + STALE_SECONDS + 1, live=live) == (
            f"worker (pid {os.getpid()}) hangs: it has not beaten for 31 s"
        )
    assert trouble(path, time() - 50) is not None  # the machine was started anew


def test_one_that_is_started_again_is_not_taken_for_the_one_before_it(path: Path, time: Time) -> None:
    Heartbeat(path, "worker", time).beat(True)
    Heartbeat(path, "worker", time)
    assert trouble(path, time()) == "worker is starting"


def test_one_that_is_gone_is_not_well_though_it_beat_just_now(path: Path, time: Time) -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as ended:
        ended.wait()
    Heartbeat(path, "archive", time).beat(True)
    path.write_text(path.read_text().replace(f'"pid": {os.getpid()}', f'"pid": {ended.pid}'))
    assert trouble(path, time()) == f"archive (pid {ended.pid}) is gone"


def test_what_is_no_heartbeat_is_no_sign_of_life(path: Path, time: Time) -> None:
    path.parent.mkdir()
    for content in (
        b"",
        b"{}",
        b"[1]",
        b"\xff",
        b'{"process": "worker", "pid": "x", "state": "ready", "monotonic": 1}',
    ):
        path.write_bytes(content)
        assert trouble(path, time()) == f"{path} is no heartbeat that can be read"


def test_it_is_written_once_a_second_and_when_something_changes(path: Path, time: Time) -> None:
    def said() -> tuple[float, str]:
        content = json.loads(path.read_text())
        return content["monotonic"], content["state"]

    heartbeat = Heartbeat(path, "worker", time)
    told = []
    for after, ready in ((0.0, False), (0.1, False), (0.1, True), (0.1, True), (EVERY_SECONDS, True)):
        time.now += after
        heartbeat.beat(ready)
        told.append(said())
    begun = [100.0, 100.0, 100.2, 100.2, 101.3]
    assert [at for at, _ in told] == pytest.approx(begun)
    assert [state for _, state in told] == ["waiting", "waiting", "ready", "ready", "ready"]
    assert [it.name for it in path.parent.iterdir()] == ["heartbeat"]


def test_without_a_place_nothing_is_written_and_one_that_takes_nothing_is_refused(tmp_path: Path) -> None:
    Heartbeat.from_environment({}, "worker").beat(True)
    (tmp_path / "file").touch()
    with pytest.raises(Misconfigured, match=rf"{VARIABLE}={tmp_path}/file/heartbeat cannot be written: File exists"):
        Heartbeat.from_environment({VARIABLE: str(tmp_path / "file" / "heartbeat")}, "worker")


def test_one_that_can_be_written_no_more_goes_stale_and_ends_nothing(
    path: Path, time: Time, caplog: pytest.LogCaptureFixture
) -> None:
    heartbeat = Heartbeat(path, "worker", time)
    path.unlink()
    path.parent.rmdir()
    path.parent.touch()
    time.now += 60
    heartbeat.beat(True)
    assert "cannot be written" in caplog.text


def test_the_check_is_a_command_whose_status_says_it(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    heartbeat = Heartbeat(path, "worker")
    told = {VARIABLE: str(path)}
    assert [main(told, []), main(told, ["--live"])] == [1, 0]
    heartbeat.beat(True)
    assert [main(told, []), main({}, ["--file", str(path)])] == [0, 0]
    assert capsys.readouterr().out == "worker is starting\nwell\nwell\nwell\n"
    with pytest.raises(SystemExit):
        main({}, [])


def test_only_what_is_misconfigured_ends_with_the_status_that_means_never_again(path: Path) -> None:
    heartbeat = Heartbeat(path, "worker")
    assert status_of(LogUnavailable("away"), {WAIT: "on"}, heartbeat) == 1
    assert status_of(Misconfigured("X cannot be used"), {}, heartbeat) == EX_CONFIG == 78
    assert trouble(path, 0) == "worker is misconfigured: X cannot be used"
    assert status_of(Misconfigured("X cannot be used"), {WAIT: "perhaps"}) == 78


@pytest.mark.parametrize("module", PROCESSES)
def test_where_it_would_be_started_again_for_ever_a_misconfigured_process_waits(module: str, path: Path) -> None:
    told = {name: value for name, value in os.environ.items() if not name.startswith("THALWEG_")}
    told |= {"THALWEG_PARTITIONS": "none", WAIT: "on", VARIABLE: str(path), "THALWEG_DATA_DIR": str(path.parent)}
    told |= {"THALWEG_ACCOUNT_SECRETS": "k1:a secret of thirty-two characters"}
    process = subprocess.Popen([sys.executable, "-m", module], env=told, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stderr is not None
        lines = []
        for line in process.stderr:
            lines.append(line)
            if WAIT in line:
                break
        assert "THALWEG_PARTITIONS='none' cannot be used" in lines[-2], lines
        assert process.poll() is None
        if module != "ingest_api":
            assert "is misconfigured: THALWEG_PARTITIONS='none'" in str(trouble(path, 0))
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 78
    finally:
        process.kill()
        process.communicate()
