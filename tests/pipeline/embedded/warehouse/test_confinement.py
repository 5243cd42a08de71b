"""Behind the refusals the kernel stands: the process cannot read what is not its own, nor call others."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from pipeline.embedded.warehouse.confinement import Rights, confine
from tests.pipeline.embedded.warehouse.running import ANALYST, OWNER, Warehouse

PRELUDE = """
import socket, sys
from pathlib import Path
from pipeline.embedded.warehouse.__main__ import rights
from pipeline.embedded.warehouse.confinement import confine
own = Path(sys.argv[1])
if not confine(rights(own)):
    sys.exit(77)
"""


def _confined(program: str, directory: Path) -> str:
    """What a confined process says that runs this program."""
    environment = os.environ | {"TMPDIR": str(directory)}  # the engine makes a directory there as it is loaded
    command = [sys.executable, "-c", PRELUDE + program, str(directory)]
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
    if ended.returncode == 77:
        pytest.skip("this kernel has no Landlock")
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


def test_it_reads_and_writes_its_own_files_alone(tmp_path: Path) -> None:
    own, other = tmp_path / "own", tmp_path / "other"
    own.mkdir()
    other.write_text("secret")
    program = f"""
(own / "a").write_text("x")
(own / "d").mkdir()
(own / "a").rename(own / "d" / "b")
print((own / "d" / "b").read_text())
for attempt in (lambda: Path({str(other)!r}).read_text(), lambda: Path({str(other)!r}).write_text("y"),
                lambda: Path("/etc/passwd").read_text(), lambda: Path({str(tmp_path / "new")!r}).mkdir()):
    try:
        print(attempt())
    except PermissionError:
        print("refused")
"""
    assert _confined(program, own).split() == ["x", "refused", "refused", "refused", "refused"]


def test_it_calls_nobody(tmp_path: Path, warehouse: Warehouse) -> None:
    program = f"""
try:
    socket.create_connection(("127.0.0.1", {warehouse.port}))
    print("connected")
except PermissionError:
    print("refused")
"""
    assert _confined(program, tmp_path).strip() == "refused"


def test_the_engine_itself_cannot_read_another_file(tmp_path: Path) -> None:
    """The statement that the refusals are for, given to the engine without them."""
    program = """
from pipeline.embedded.warehouse.engine import Engine
from pipeline.embedded.warehouse.errors import WarehouseError
from pipeline.embedded.warehouse.settings import Limits
handle = Engine(own, "thalweg", Limits()).handle()
print(handle.run("SELECT sum(number) FROM numbers(10)", "TSV").data.decode())
for sql in ("SELECT file('/etc/passwd')", "SELECT 1 INTO OUTFILE '/tmp/thalweg_escaped'"):
    try:
        print(handle.run(sql, "TSV").data)
    except WarehouseError as error:
        print("refused")
"""
    assert _confined(program, tmp_path).split() == ["45", "refused", "refused"]
    assert not Path("/tmp/thalweg_escaped").exists()


def test_where_there_is_no_landlock_nothing_is_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    assert confine(Rights()) is False
    assert Path("/etc/passwd").read_text()


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_no_password_is_in_its_environment(warehouse: Warehouse) -> None:
    environment = psutil.Process(warehouse.process.pid).environ()
    assert "TZ" in environment
    assert not any(OWNER[1] in value or ANALYST[1] in value for value in environment.values())
