"""`python -m pipeline.embedded.leash COMMAND…` runs a command that cannot outlive the supervisor."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from types import FrameType
from typing import NoReturn

from pipeline import lifeline


def become(command: Sequence[str]) -> NoReturn:
    """Turns this process into `command`, tied to the supervisor named in the environment, if any.

    On Linux the process is replaced: the kernel's tie survives `exec`, and the process id stays. Where the kernel
    gives no tie, this process stays above the program, passes signals on, and ends it when the supervisor's pipe
    ends.
    """
    supervisor = os.environ.get(lifeline.PID_VARIABLE)
    if supervisor is None or lifeline.die_with_parent(int(supervisor)):
        os.execv(command[0], list(command))
    sys.exit(_stay_above(command))


def _stay_above(command: Sequence[str]) -> int:
    program = subprocess.Popen(list(command))

    def pass_on(number: int, _frame: FrameType | None) -> None:
        program.send_signal(number)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, pass_on)
    lifeline.attach(os.environ, before_exit=program.kill)
    return program.wait()


def command(of: Sequence[str]) -> list[str]:
    """The command line that runs `of` on the leash."""
    return [sys.executable, "-m", "pipeline.embedded.leash", *of]


if __name__ == "__main__":
    become(sys.argv[1:])
