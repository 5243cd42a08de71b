"""What is running in a data directory, for others to read: one supervisor at a time, and a file that says how it is."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Literal, TextIO

from pipeline.errors import Misconfigured

LOCK = "up.lock"
FILE = "run.json"
_LOCK_TRIES = 4
_LOCK_PAUSE_S = 0.1

State = Literal["waiting", "starting", "ready", "done", "crashed", "stopping", "stopped"]


@dataclass(slots=True)
class PartState:
    """`since` is when this state was entered, in microseconds since the epoch. `forged`: records that its process met
    and that none of ours wrote."""

    name: str
    state: State = "waiting"
    pid: int | None = None
    since: int = 0
    restarts: int = 0
    url: str | None = None
    reason: str | None = None
    forged: int = 0

    @property
    def well(self) -> bool:
        return self.state in ("ready", "done")


@dataclass(slots=True)
class RunState:
    """`started` is in microseconds since the epoch."""

    pid: int
    started: int
    parts: list[PartState] = field(default_factory=list)

    @property
    def well(self) -> bool:
        return bool(self.parts) and all(part.well for part in self.parts)


def write(data_dir: Path, run: RunState) -> None:
    """Replaces the file whole, so that a reader never sees half of it."""
    path = data_dir / FILE
    draft = path.with_suffix(".draft")
    draft.write_text(json.dumps(asdict(run), indent=2), encoding="utf-8")
    os.replace(draft, path)


def read(data_dir: Path) -> RunState | None:
    """The run that goes on in this data directory now, or None: what an ended run left behind is no answer."""
    if holder(data_dir) is None:
        return None
    try:
        found = json.loads((data_dir / FILE).read_text(encoding="utf-8"))
        parts = [PartState(**part) for part in found["parts"]]
        return RunState(found["pid"], found["started"], parts)
    except (OSError, ValueError, TypeError, KeyError):
        return None


@contextlib.contextmanager
def sole_run(data_dir: Path) -> Iterator[None]:
    """Holds the data directory for one supervisor. The kernel lets go of it when the process ends, however it ends.

    Raises Misconfigured, naming the process that holds it.
    """
    with (data_dir / LOCK).open("a+", encoding="utf-8") as file:
        if not _locked(file):
            file.seek(0)
            raise Misconfigured(
                f"{data_dir} is in use by a run that goes on (pid {file.read().strip() or 'unknown'}): stop it, or "
                "choose another directory with --data-dir or THALWEG_DATA_DIR"
            )
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        (data_dir / FILE).unlink(missing_ok=True)
        yield


def _locked(file: TextIO) -> bool:
    """A few tries: whoever asks for the `holder` has the lock for an instant too."""
    for _ in range(_LOCK_TRIES):
        with contextlib.suppress(BlockingIOError):
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        time.sleep(_LOCK_PAUSE_S)
    return False


def holder(data_dir: Path) -> int | None:
    """The process id of the supervisor that holds this data directory, or None."""
    try:
        with (data_dir / LOCK).open(encoding="utf-8") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except OSError:
                return int(file.read().strip() or 0)
    except (OSError, ValueError):
        return None
    return None
