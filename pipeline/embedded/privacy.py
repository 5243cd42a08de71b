"""A data directory that its owner alone can read, whoever made it, and whatever is written in it from now on."""

from __future__ import annotations

import contextlib
import os
import stat
from pathlib import Path

from pipeline.errors import Misconfigured

_OTHERS = 0o077
_OURS = ("kafka", "warehouse", "faust", "logs", "secrets.json", "secrets.new", "run.json", "run.draft", "up.lock")
"""What lies in a data directory. Whatever else somebody put there stays as it is, behind a closed door."""


def make_private(data_dir: Path, ours: tuple[str, ...] = _OURS) -> None:
    """Makes the directory, or closes it to everybody else: 0700, files in it 0600. What this process and those that it
    starts write from now on is made so. Raises Misconfigured where it cannot be made, or is somebody else's."""
    os.umask(_OTHERS)
    try:
        data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        _close(data_dir)
        for name in ours:
            _close_all(data_dir / name)
    except OSError as error:
        raise Misconfigured(
            f"{data_dir} cannot be kept from others ({error.strerror}): it must be a directory of yours; choose "
            "another with --data-dir or THALWEG_DATA_DIR"
        ) from error


def _close_all(top: Path) -> None:
    with contextlib.suppress(FileNotFoundError):
        _close(top)
    for folder, folders, files in os.walk(top):  # follows no link
        for name in (*folders, *files):
            with contextlib.suppress(FileNotFoundError):  # gone meanwhile
                _close(Path(folder, name))


def _close(path: Path) -> None:
    mode = path.lstat().st_mode
    if stat.S_IMODE(mode) & _OTHERS and not stat.S_ISLNK(mode):
        path.chmod(stat.S_IMODE(mode) & ~_OTHERS)
