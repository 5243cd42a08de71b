"""No child outlives a supervisor that was killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import psutil
import pytest

SUPERVISOR = """
import os, subprocess, sys, time
from pipeline.lifeline import Lifeline
line = Lifeline()
child = subprocess.Popen(
    sys.argv[1:], env={**os.environ, **line.environment()}, pass_fds=line.pass_fds, process_group=0,
    stdout=subprocess.PIPE,
)
print(int(child.stdout.readline()), flush=True)
time.sleep(600)
"""

PART = """
import os, time
from pipeline import lifeline
lifeline.attach(os.environ)
print(os.getpid(), flush=True)
time.sleep(600)
"""

PROGRAM = ["sh", "-c", "echo $$; exec sleep 600"]


@pytest.mark.parametrize(
    "command",
    [
        pytest.param([sys.executable, "-c", PART], id="a Python part"),
        pytest.param(["sh", "-c", f"{sys.executable} -c '{PART}' & wait"], id="a part under a wrapper"),
        pytest.param(
            [sys.executable, "-m", "pipeline.embedded.leash", "/usr/bin/env", *PROGRAM], id="a program that is not ours"
        ),
        pytest.param(
            [
                "sh",
                "-c",
                f"{sys.executable} -m pipeline.embedded.leash /usr/bin/env sh -c 'echo $$; exec sleep 600' & wait",
            ],
            id="a program under a wrapper",
        ),
    ],
)
def test_a_child_dies_when_its_supervisor_is_killed(command: list[str]) -> None:
    with subprocess.Popen([sys.executable, "-c", SUPERVISOR, *command], stdout=subprocess.PIPE) as supervisor:
        assert supervisor.stdout is not None
        child = psutil.Process(int(supervisor.stdout.readline()))
        os.kill(supervisor.pid, signal.SIGKILL)
    child.wait(timeout=10)
    assert not child.is_running()


def test_a_part_that_finds_its_supervisor_gone_ends_at_once() -> None:
    read, write = os.pipe()
    os.close(write)
    gone = {**os.environ, "THALWEG_SUPERVISOR_PID": "999999999", "THALWEG_LIFELINE_FD": str(read)}
    done = subprocess.run([sys.executable, "-c", PART], env=gone, pass_fds=[read], timeout=20, check=False)
    os.close(read)
    assert done.returncode == 75


def test_a_process_that_no_supervisor_started_is_left_alone() -> None:
    free = {name: value for name, value in os.environ.items() if not name.startswith("THALWEG_")}
    script = PART.replace("time.sleep(600)", "time.sleep(0.2)")
    assert subprocess.run([sys.executable, "-c", script], env=free, timeout=20, check=False).returncode == 0
