"""A heartbeat: a file in which a process without a port says, every second, that it turns and whether it does its work.

THALWEG_HEARTBEAT names the file; where it is unset there is none. `python -m pipeline.heartbeat` reads it: its exit
status is 0 while the process does its work, otherwise 1, with a sentence that says why. With `--live` it is 0 while
the process turns, whether or not it has work that it can do now: to restart one that hangs, not one that waits.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from pipeline.errors import Misconfigured
from pipeline.settings import Environment, setting

VARIABLE = "THALWEG_HEARTBEAT"
EVERY_SECONDS = 1.0
STALE_SECONDS = 30.0
"""A process that has not beaten for so long hangs, or is gone."""

log = logging.getLogger(__name__)


class Heartbeat:
    """Of one process. `beat` belongs into the loop that does the work, so that one that stands still is noticed."""

    def __init__(self, path: Path | None, name: str, monotonic: Callable[[], float] = time.monotonic) -> None:
        """Says that the process starts, in place of what one before it has left. Raises Misconfigured where the file
        cannot be written."""
        self._path, self._name, self._monotonic = path, name, monotonic
        self._said: tuple[float, str] = (float("-inf"), "")
        try:
            self._write("starting")
        except OSError as error:
            raise Misconfigured(f"{VARIABLE}={path} cannot be written: {error.strerror}") from error

    @classmethod
    def from_environment(cls, environ: Environment, name: str) -> Heartbeat:
        """Raises Misconfigured."""
        return cls(setting(environ, VARIABLE, None, Path), name)

    def beat(self, ready: bool) -> None:
        """The process turns; `ready`: it does its work. Written once a second, and when that changes."""
        said = "ready" if ready else "waiting"
        if said == self._said[1] and self._monotonic() - self._said[0] < EVERY_SECONDS:
            return
        try:
            self._write(said)
        except OSError as error:
            log.warning("%s=%s cannot be written: %s", VARIABLE, self._path, error.strerror)

    def refuse(self, reason: str) -> None:
        """The process does not start, for this reason."""
        try:
            self._write(f"misconfigured: {reason}")
        except OSError as error:
            log.warning("%s=%s cannot be written: %s", VARIABLE, self._path, error.strerror)

    def _write(self, said: str) -> None:
        self._said = self._monotonic(), said
        if self._path is None:
            return
        content = {"process": self._name, "pid": os.getpid(), "monotonic": self._said[0], "state": said}
        self._path.parent.mkdir(parents=True, exist_ok=True)
        temporary = self._path.with_name(f".{self._path.name}.{os.getpid()}")
        temporary.write_text(json.dumps(content) + "\n", "utf-8")
        temporary.replace(self._path)


def trouble(path: Path, now: float, *, live: bool = False) -> str | None:
    """Why the process whose heartbeat this is is not well, in a sentence; None where it is."""
    try:
        content = json.loads(path.read_text("utf-8"))
        name, pid, state = str(content["process"]), int(content["pid"]), str(content["state"])
        age = now - float(content["monotonic"])
    except FileNotFoundError:
        return f"there is no heartbeat in {path}: the process has not begun"
    except (OSError, ValueError, KeyError, TypeError):
        return f"{path} is no heartbeat that can be read"
    if not _runs(pid):
        return f"{name} (pid {pid}) is gone"
    if state.startswith("misconfigured"):
        return f"{name} is {state}"
    if not 0 <= age <= STALE_SECONDS:  # negative: of before the machine was started
        return f"{name} (pid {pid}) hangs: it has not beaten for {age:.0f} s"
    return None if live or state == "ready" else f"{name} is {state}"


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def main(environ: Mapping[str, str], arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m pipeline.heartbeat", description="Whether the process whose heartbeat this is is well."
    )
    parser.add_argument("--live", action="store_true", help="only whether it turns, not whether it does its work")
    parser.add_argument("--file", type=Path, default=environ.get(VARIABLE), help=f"the heartbeat, else {VARIABLE}")
    options = parser.parse_args(arguments)
    if not options.file:
        parser.error(f"set {VARIABLE}, or give --file")
    found = trouble(Path(options.file), time.monotonic(), live=options.live)
    sys.stdout.write(f"{found or 'well'}\n")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(os.environ))
