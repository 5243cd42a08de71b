"""The log of each part: a file that is rotated by size, and reading its end."""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

MAX_BYTES = 8 * 1024 * 1024
KEPT = 3
_POLL_S = 0.2


class PartLog:
    """Appends to `<name>.log`; at `max_bytes` it becomes `.log.1`, the older ones move up, the oldest goes."""

    def __init__(self, folder: Path, name: str, max_bytes: int = MAX_BYTES, kept: int = KEPT) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.path = log_path(folder, name)
        self._max_bytes = max_bytes
        self._kept = kept
        self._file: BinaryIO = self.path.open("ab")

    def write(self, chunk: bytes) -> None:
        if self._file.tell() and self._file.tell() + len(chunk) > self._max_bytes:
            self._rotate()
        self._file.write(chunk)
        self._file.flush()

    def close(self) -> None:
        self._file.close()

    def _rotate(self) -> None:
        self._file.close()
        for number in range(self._kept - 1, 0, -1):
            older = self._numbered(number)
            if older.exists():
                older.replace(self._numbered(number + 1))
        self.path.replace(self._numbered(1))
        self._file = self.path.open("ab")

    def _numbered(self, number: int) -> Path:
        return self.path.with_name(f"{self.path.name}.{number}")


def log_path(folder: Path, name: str) -> Path:
    return folder / f"{name}.log"


def names(folder: Path) -> list[str]:
    """The parts that have ever logged here."""
    return sorted(path.stem for path in folder.glob("*.log"))


def last_lines(path: Path, count: int) -> list[str]:
    """The last `count` lines; older rotated files are not looked into."""
    with path.open("rb") as file:
        return [_text(line) for line in deque(file, maxlen=count)]


def follow(path: Path, pause: Callable[[float], None] = time.sleep) -> Iterator[str]:
    """Every line written from now on, for ever, across rotations; `pause` waits between looks, in seconds."""
    file = path.open("rb")
    file.seek(0, os.SEEK_END)
    rest = b""
    try:
        while True:
            replaced = _replaced(file, path)  # asked before reading: what came before a rotation is in the old file
            chunk = file.read()
            if chunk:
                *lines, rest = (rest + chunk).split(b"\n")
                yield from map(_text, lines)
            elif replaced:
                file.close()
                file = path.open("rb")
            else:
                pause(_POLL_S)
    finally:
        file.close()


def _replaced(file: BinaryIO, path: Path) -> bool:
    try:
        return path.stat().st_ino != os.fstat(file.fileno()).st_ino
    except FileNotFoundError:
        return False


def _text(line: bytes) -> str:
    return line.decode("utf-8", "replace").rstrip("\r\n")
