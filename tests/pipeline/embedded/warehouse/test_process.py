"""The process starts once on its directory, ends cleanly, and loses or doubles nothing when it is killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import httpx
import psutil
import pytest

from pipeline.embedded.warehouse.process import WarehouseProcess, command
from pipeline.errors import WarehouseUnavailable
from pipeline.refusal import EX_CONFIG
from tests.pipeline.embedded.warehouse.running import ENVIRONMENT, OWNER, Warehouse, running
from tests.ports import free_ports


def _outcome(data_dir: Path, port: int, **environment: str) -> tuple[int, str]:
    ended = subprocess.run(
        command(data_dir, port), env=os.environ | ENVIRONMENT | environment, capture_output=True, text=True, timeout=60
    )
    return ended.returncode, ended.stderr


def test_it_ends_cleanly_though_a_statement_runs(tmp_path: Path) -> None:
    with running(tmp_path) as warehouse:
        statement = threading.Thread(target=_ignore_end, args=(warehouse,))
        statement.start()
        while warehouse.ask("SELECT count() FROM system.processes").text == "1\n":
            time.sleep(0.02)
        assert warehouse.process.stop() == 0
        statement.join(10)
        assert not statement.is_alive()


def _ignore_end(warehouse: Warehouse) -> None:
    try:
        httpx.post(warehouse.url, content="SELECT count() FROM numbers(1e15)", auth=OWNER, timeout=60)
    except httpx.HTTPError:
        return


def test_what_was_stored_is_there_after_a_restart(tmp_path: Path) -> None:
    with running(tmp_path) as warehouse:
        warehouse.ask("CREATE TABLE t (a UInt64) ENGINE = MergeTree ORDER BY a")
        warehouse.ask("INSERT INTO t VALUES (1), (2)")
    with running(tmp_path) as warehouse:
        assert warehouse.ask("SELECT sum(a) FROM t").text == "3\n"


def test_killed_while_inserting_it_keeps_what_it_acknowledged_and_doubles_nothing(tmp_path: Path) -> None:
    """The writer replays the batch whose answer it never got, with the same token, and goes on."""
    rows, batches, at = 1000, 60, 0
    settings = "SETTINGS non_replicated_deduplication_window = 100"
    for kill_after in (0.3, 0.5, None):
        with running(tmp_path) as warehouse:
            warehouse.ask(f"CREATE TABLE IF NOT EXISTS t (a UInt64) ENGINE = MergeTree ORDER BY a {settings}")
            acknowledged = int(warehouse.ask("SELECT count() FROM t").text) // rows
            assert acknowledged >= at
            if kill_after is not None:
                threading.Timer(kill_after, os.kill, (warehouse.process.pid, signal.SIGKILL)).start()
            at = _insert(warehouse, at, batches, rows)
            if kill_after is None:
                assert (
                    warehouse.ask("SELECT count(), uniqExact(a) FROM t").text == f"{batches * rows}\t{batches * rows}\n"
                )
    assert at == batches


def _insert(warehouse: Warehouse, first: int, batches: int, rows: int) -> int:
    """Batch after batch until all are in or the warehouse is gone; the first that was not acknowledged."""
    for batch in range(first, batches):
        data = "".join(f"{number}\n" for number in range(batch * rows, (batch + 1) * rows))
        try:
            answer = warehouse.ask(f"INSERT INTO t FORMAT TSV\n{data}", insert_deduplication_token=f"t-0-{batch}")
        except httpx.HTTPError:
            return batch
        assert answer.status == 200, answer.text
        time.sleep(0.02)
    return batches


def test_what_a_killed_process_left_in_its_temporary_directory_is_cleared(tmp_path: Path) -> None:
    with running(tmp_path) as warehouse:
        killed = warehouse.process.pid
        assert warehouse.process.kill() == -signal.SIGKILL
    assert (tmp_path / "tmp" / str(killed)).exists()
    with running(tmp_path) as warehouse:
        assert [path.name for path in (tmp_path / "tmp").iterdir()] == [str(warehouse.process.pid)]


def test_a_second_process_on_the_same_directory_refuses(tmp_path: Path) -> None:
    with running(tmp_path):
        (port,) = free_ports(1)
        status, said = _outcome(tmp_path, port)
    assert status == EX_CONFIG
    assert "another process" in said


def test_a_taken_port_is_a_clear_refusal(tmp_path: Path) -> None:
    with running(tmp_path) as warehouse:
        status, said = _outcome(tmp_path / "other", warehouse.port)
    assert status == EX_CONFIG
    assert f"cannot listen on 127.0.0.1:{warehouse.port}" in said


def test_a_senseless_setting_is_a_clear_refusal(tmp_path: Path) -> None:
    status, said = _outcome(tmp_path, 0, THALWEG_WAREHOUSE_BODY_MIB="many")
    assert status == EX_CONFIG
    assert "THALWEG_WAREHOUSE_BODY_MIB" in said


def test_a_start_that_fails_is_told(tmp_path: Path) -> None:
    process = WarehouseProcess(tmp_path / "with?mark", free_ports(1)[0], ENVIRONMENT)
    with pytest.raises(WarehouseUnavailable, match=f"status {EX_CONFIG}"):
        process.start()


def test_its_clock_is_utc_wherever_it_runs(tmp_path: Path) -> None:
    with running(tmp_path, TZ="America/New_York") as warehouse:
        assert warehouse.ask("SELECT toString(toDateTime(0)), timezone()").text == "1970-01-01 00:00:00\tUTC\n"


def test_no_password_is_in_its_command_or_files(tmp_path: Path) -> None:
    with running(tmp_path) as warehouse:
        environment = psutil.Process(warehouse.process.pid).cmdline()
        assert not any(OWNER[1] in argument for argument in environment)
        configuration = "".join(path.read_text() for path in (tmp_path / "configuration").iterdir())
        assert OWNER[1] not in configuration


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="asks the kernel whether a process lives")
def test_it_dies_with_the_process_that_started_it(tmp_path: Path) -> None:
    (port,) = free_ports(1)
    program = (
        "import sys, time, pathlib\n"
        "from pipeline.embedded.warehouse.process import WarehouseProcess\n"
        f"process = WarehouseProcess(pathlib.Path({str(tmp_path)!r}), {port}, {ENVIRONMENT!r}).start()\n"
        "print(process.pid, flush=True)\n"
        "time.sleep(600)\n"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        parent.kill()
    deadline = time.monotonic() + 20
    while psutil.pid_exists(pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not psutil.pid_exists(pid)
