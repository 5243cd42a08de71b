"""Lines of a file or a pipe, for one who must send what has come before more comes."""

from __future__ import annotations

import os
import select
import threading
import time

from pipeline.errors import Misconfigured

MAX_LINE = 1024 * 1024
_READ = 64 * 1024
_LOOK_UP_SECONDS = 0.1


class Lines:
    """Reads a descriptor without ever holding more than a line and a read. `stop`, from any thread, ends it early.

    UTF-8; a byte order mark is dropped, what is no UTF-8 becomes U+FFFD.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._rest = b""
        self._ready: list[bytes] = []
        self._stopped = threading.Event()
        self._exhausted = False
        self.bytes_read = 0

    @property
    def ended(self) -> bool:
        """No line will come any more."""
        return not self._ready and (self._exhausted or self._stopped.is_set())

    def stop(self) -> None:
        """What has been read can still be taken; nothing more is read."""
        self._stopped.set()

    def take(self, limit: int, patience: float | None) -> list[str]:
        """Up to `limit` lines without their ends. Fewer at the end, or `patience` seconds after the call; None waits
        for ever. Blocks. Raises Misconfigured for a line longer than a mebibyte."""
        deadline = None if patience is None else time.monotonic() + patience
        while len(self._ready) < limit and not self._exhausted and not self._stopped.is_set():
            left = _LOOK_UP_SECONDS if deadline is None else min(_LOOK_UP_SECONDS, deadline - time.monotonic())
            if left <= 0:
                break
            if select.select([self._descriptor], [], [], left)[0]:
                self._read()
        taken, self._ready = self._ready[:limit], self._ready[limit:]
        return [line.decode("utf-8", "replace").rstrip("\r") for line in taken]

    def _read(self) -> None:
        block = os.read(self._descriptor, _READ)
        if not self.bytes_read:
            block = block.removeprefix(b"\xef\xbb\xbf")
        self.bytes_read += len(block)
        *lines, self._rest = (self._rest + block).split(b"\n")
        self._ready += lines
        if not block:
            self._exhausted = True
            if self._rest:
                self._ready.append(self._rest)
                self._rest = b""
        if len(self._rest) > MAX_LINE:
            raise Misconfigured("a line is longer than 1 MiB: is this a CSV file?")
