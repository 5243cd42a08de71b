"""One supervisor a data directory, and a state that others can read."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.embedded import runstate
from pipeline.embedded.runstate import PartState, RunState
from pipeline.errors import Misconfigured

HOLDER = """
import sys, time
from pathlib import Path
from pipeline.embedded import runstate
with runstate.sole_run(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(600)
"""


def test_a_second_run_on_the_same_data_dir_refuses_and_names_the_first(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", HOLDER, str(tmp_path)], stdout=subprocess.PIPE) as first:
        assert first.stdout is not None
        first.stdout.readline()
        assert runstate.holder(tmp_path) == first.pid
        with pytest.raises(Misconfigured, match=f"pid {first.pid}"), runstate.sole_run(tmp_path):
            pass
        os.kill(first.pid, signal.SIGKILL)
    assert runstate.holder(tmp_path) is None
    with runstate.sole_run(tmp_path):
        pass


def test_what_is_written_is_read_while_the_run_goes_on(tmp_path: Path) -> None:
    run = RunState(os.getpid(), 7, [PartState("broker", "ready", 8, 9, 1, "127.0.0.1:9092", None)])
    with runstate.sole_run(tmp_path):
        runstate.write(tmp_path, run)
        assert runstate.read(tmp_path) == run
    assert runstate.read(tmp_path) is None


def test_what_an_earlier_run_left_is_not_read_as_the_present_one(tmp_path: Path) -> None:
    with runstate.sole_run(tmp_path):
        runstate.write(tmp_path, RunState(1, 1))
    with runstate.sole_run(tmp_path):
        assert runstate.read(tmp_path) is None


def test_nothing_runs_where_nothing_has_ever_run(tmp_path: Path) -> None:
    assert runstate.holder(tmp_path) is None
    assert runstate.read(tmp_path) is None


def test_a_run_is_well_only_when_every_part_is() -> None:
    well = PartState("topics", "done")
    assert RunState(1, 1, [well, PartState("broker", "ready")]).well
    assert not RunState(1, 1, [well, PartState("broker", "starting")]).well
    assert not RunState(1, 1, []).well
