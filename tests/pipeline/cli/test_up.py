"""`thalweg up` as a user meets it, on a real broker: started, looked at, stopped, and killed."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from pipeline.embedded import runstate
from pipeline.refusal import EX_CONFIG
from tests.ports import free_ports

THALWEG = [sys.executable, "-m", "pipeline.cli"]
CLEAN = {name: value for name, value in os.environ.items() if not name.startswith("THALWEG_")}


def thalweg(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    environ = CLEAN | variables
    return subprocess.run([*THALWEG, *arguments], capture_output=True, text=True, env=environ, timeout=60, check=False)


def wait_until(holds: Callable[[], bool], seconds: float = 90) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.1)


class Up:
    """A running `thalweg up --only broker --kafka-login`."""

    def __init__(self, data_dir: Path, process: subprocess.Popen[str]) -> None:
        self.data_dir = data_dir
        self.process = process

    def well(self) -> bool:
        run = runstate.read(self.data_dir)
        return run is not None and run.well

    def broker(self) -> runstate.PartState:
        run = runstate.read(self.data_dir)
        assert run is not None
        [part] = run.parts
        return part

    def broker_process(self) -> psutil.Process:
        return psutil.Process(self.broker().pid)

    def said(self) -> str:
        return (self.data_dir / "up.out").read_text()


@contextmanager
def up(data_dir: Path) -> Iterator[Up]:
    kafka, controller = free_ports(2)
    ports = ["--kafka-port", str(kafka), "--kafka-controller-port", str(controller)]
    with (data_dir / "up.out").open("w") as out:
        process = subprocess.Popen(
            [*THALWEG, "up", "--data-dir", str(data_dir), "--only", "broker", "--kafka-login", *ports],
            stdout=out,
            stderr=subprocess.STDOUT,
            text=True,
            env=CLEAN,
        )
    try:
        running = Up(data_dir, process)
        wait_until(lambda: running.well() or process.poll() is not None)
        assert process.poll() is None, running.said()
        yield running
    finally:
        process.kill()
        process.wait()


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    data_dir = tmp_path_factory.mktemp("up")
    (data_dir / "kafka").mkdir()
    for folder in (data_dir, data_dir / "kafka"):
        folder.chmod(0o755)
    with up(data_dir) as it:
        yield it


def test_nobody_else_reads_what_it_keeps(running: Up) -> None:
    assert running.data_dir.stat().st_mode & 0o077 == 0
    written = [path for path in running.data_dir.rglob("*") if path.name != "up.out"]
    assert any(path.suffix == ".log" for path in written)
    assert [path for path in written if not path.is_symlink() and path.lstat().st_mode & 0o077] == []


def test_it_says_what_is_ready_and_where(running: Up) -> None:
    wait_until(lambda: "Ctrl-C stops everything" in running.said())
    assert "broker ready in" in running.said()
    assert str(running.broker().url) in running.said()


def test_nobody_is_let_in_without_the_password_and_our_own_commands_find_it(running: Up) -> None:
    scheme, bootstrap = str(running.broker().url).split("//")
    asked = ("topics", "list", "--bootstrap", bootstrap)
    found = thalweg(*asked, THALWEG_DATA_DIR=str(running.data_dir))
    assert (scheme, found.returncode) == ("sasl_plaintext:", 0), found.stderr
    refused = thalweg(*asked, THALWEG_DATA_DIR=str(running.data_dir / "elsewhere"))
    assert refused.returncode != 0
    assert "THALWEG_KAFKA_SECURITY_PROTOCOL" in refused.stderr


def test_the_status_is_a_table_for_people_and_json_for_programs(running: Up) -> None:
    shown = thalweg("status", "--data-dir", str(running.data_dir))
    assert shown.returncode == 0
    assert "broker" in shown.stdout
    assert "ready" in shown.stdout
    told = json.loads(thalweg("status", "--data-dir", str(running.data_dir), "--json").stdout)
    [broker] = told["parts"]
    assert (told["ready"], broker["state"]) == (True, "ready")
    assert psutil.Process(broker["pid"]).name() == "java"
    assert broker["memory_bytes"] > 50 * 2**20


def test_a_second_up_on_the_same_data_dir_refuses(running: Up) -> None:
    second = thalweg("up", "--data-dir", str(running.data_dir), "--only", "broker")
    assert second.returncode == EX_CONFIG
    assert f"pid {running.process.pid}" in second.stderr
    assert "Traceback" not in second.stderr


def test_the_logs_of_a_part_are_shown(running: Up) -> None:
    shown = thalweg("logs", "broker", "-n", "3", "--data-dir", str(running.data_dir))
    assert shown.returncode == 0
    assert len(shown.stdout.splitlines()) == 3


def test_the_logs_of_an_unknown_part_are_refused_with_those_there_are(running: Up) -> None:
    shown = thalweg("logs", "brokr", "--data-dir", str(running.data_dir))
    assert shown.returncode == EX_CONFIG
    assert "there are broker" in shown.stderr


def test_a_killed_broker_is_started_again_and_said_so(running: Up) -> None:
    running.broker_process().kill()
    wait_until(lambda: (running.broker().restarts, running.broker().state) == (1, "ready"))
    assert "broker ended (killed by SIGKILL" in running.said()


def test_ctrl_c_stops_everything_cleanly(tmp_path: Path) -> None:
    with up(tmp_path) as it:
        broker = it.broker_process()
        it.process.send_signal(signal.SIGINT)
        assert it.process.wait(15) == 0
        assert not broker.is_running()
        assert "broker stopped\neverything has stopped; your data is kept in" in it.said()
        assert "shut down completed" in (tmp_path / "logs" / "broker.log").read_text()
    assert thalweg("status", "--data-dir", str(tmp_path)).returncode == 1


def test_nothing_outlives_a_killed_supervisor(tmp_path: Path) -> None:
    with up(tmp_path) as it:
        children = psutil.Process(it.process.pid).children(recursive=True)
        assert [child.name() for child in children] == ["java"]
        it.process.kill()
        it.process.wait()
        gone, alive = psutil.wait_procs(children, timeout=10)
        assert (len(gone), alive) == (1, [])


def test_a_taken_port_is_named_before_anything_starts(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        refused = thalweg("up", "--data-dir", str(tmp_path), "--kafka-port", str(port))
    assert refused.returncode == EX_CONFIG
    for said in (str(port), f"pid {os.getpid()}", "--kafka-port", "THALWEG_KAFKA_PORT"):
        assert said in refused.stderr
    assert not (tmp_path / "kafka").exists()


@pytest.mark.parametrize("command", [("topics", "create"), ("warehouse", "migrate")], ids=" ".join)
def test_a_setting_that_cannot_be_used_ends_a_command_as_it_ends_every_process(command: tuple[str, ...]) -> None:
    """So that whatever starts it does not start it again for ever."""
    wrong = {"THALWEG_PARTITIONS": "many", "THALWEG_CLICKHOUSE_URL": "ftp://x"}
    refused = subprocess.run([*THALWEG, *command], capture_output=True, text=True, env={**CLEAN, **wrong}, check=False)
    assert refused.returncode == EX_CONFIG, refused.stderr
    assert "THALWEG_" in refused.stderr
    assert "Traceback" not in refused.stderr


def test_a_command_line_that_is_none_is_another_matter() -> None:
    assert [thalweg("topics", "creat").returncode, thalweg("up", "--api-port", "many").returncode] == [2, 2]


def test_nothing_running_is_said_so(tmp_path: Path) -> None:
    shown = thalweg("status", "--data-dir", str(tmp_path))
    assert (shown.returncode, shown.stdout) == (1, f"nothing is running in {tmp_path}; start it with: thalweg up\n")
    assert json.loads(thalweg("status", "--data-dir", str(tmp_path), "--json").stdout)["running"] is False


def test_the_help_of_up_names_the_variable_of_each_setting() -> None:
    shown = subprocess.run(
        [*THALWEG, "up", "--help"], capture_output=True, text=True, env={**CLEAN, "COLUMNS": "200"}, check=True
    )
    for name in ("THALWEG_DATA_DIR", "THALWEG_KAFKA_PORT", "THALWEG_WAREHOUSE_PORT", "THALWEG_API_PORT"):
        assert name in shown.stdout
