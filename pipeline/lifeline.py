"""The tie between a supervisor and its parts: when the supervisor is gone, however it went, they go too.

Two ties, because neither does everything. A pipe whose write end only the supervisor holds reads as ended the
moment it dies, on every Unix and through any wrapper between the two. On Linux the kernel also kills the child
itself (PR_SET_PDEATHSIG), which needs no thread of ours and survives `exec`, so it holds a JVM as well.
"""

from __future__ import annotations

import contextlib
import ctypes
import logging
import os
import signal
import sys
import threading
from collections.abc import Callable, Mapping
from typing import NoReturn

FD_VARIABLE = "THALWEG_LIFELINE_FD"
PID_VARIABLE = "THALWEG_SUPERVISOR_PID"
_PR_SET_PDEATHSIG = 1
_EXIT_ORPHANED = 75


class Lifeline:
    """The supervisor's end. Children are started with `pass_fds` and `environment()`, from the main thread:
    Linux counts the thread that forked, not the process, as the parent that died."""

    def __init__(self) -> None:
        self._read, self._write = os.pipe()

    @property
    def pass_fds(self) -> tuple[int, ...]:
        return (self._read,)

    def environment(self) -> dict[str, str]:
        return {FD_VARIABLE: str(self._read), PID_VARIABLE: str(os.getpid())}

    def close(self) -> None:
        """Lets go: whatever still runs ends at once."""
        for end in (self._write, self._read):
            with contextlib.suppress(OSError):
                os.close(end)


def attach(environ: Mapping[str, str], before_exit: Callable[[], object] | None = None) -> None:
    """Called once at a part's entry. Does nothing for a process that no supervisor started.

    Ends the process with status 75 when the supervisor is gone, after calling `before_exit`.
    """
    supervisor = environ.get(PID_VARIABLE)
    if supervisor is None:
        return
    die_with_parent(int(supervisor))
    descriptor = environ.get(FD_VARIABLE)
    if descriptor is not None:
        threading.Thread(target=_wait_for_end, args=(int(descriptor), before_exit), daemon=True).start()


def die_with_parent(supervisor: int) -> bool:
    """Asks Linux to kill this process when its parent dies. False where that cannot hold: on another system, or
    when a wrapper stands between, for then the parent's end is not the supervisor's."""
    if not sys.platform.startswith("linux") or os.getppid() != supervisor:
        return False
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != supervisor:  # it died between the two calls, so that no signal will come
        os._exit(_EXIT_ORPHANED)
    return True


def _wait_for_end(descriptor: int, before_exit: Callable[[], object] | None) -> None:
    with contextlib.suppress(OSError):
        while os.read(descriptor, 1):
            pass
        if before_exit is not None:
            before_exit()
        os._exit(_EXIT_ORPHANED)


def leave(status: int) -> NoReturn:
    """Ends the process at once, with all told that was said. What the interpreter does at its end is left out: it waits
    for threads that wait for others, and extension modules complain of what is still held."""
    logging.shutdown()
    sys.stdout.flush()
    os._exit(status)
