"""Lines of a file or a pipe, for one who must send what has come before more comes."""

from __future__ import annotations

import codecs
import io
import os
import select
import threading
import time
from collections.abc import Iterator

from pipeline.cli.compression import Compressed, Plain, recognised, undecided
from pipeline.errors import Misconfigured

MAX_LINE = 1024 * 1024
_READ = 64 * 1024
_LOOK_UP_SECONDS = 0.1
_NO_TEXT = "the input is no text: it holds NUL characters (UTF-16 without a byte order mark? then iconv -f UTF-16LE)"


class Lines:
    """Reads a descriptor without ever holding more than a line and a read. `stop`, from any thread, ends it early.

    Lines end in LF, CR LF or CR. UTF-8, or UTF-16 where a byte order mark says so; what is neither becomes U+FFFD. What
    gzip, bzip2 or xz compressed is decompressed.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._first = b""
        self._form: Plain | Compressed | None = None
        self._pieces: Iterator[bytes] = iter(())
        self._decoder: io.IncrementalNewlineDecoder | None = None
        self._rest = ""
        self._ready: list[str] = []
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
        for ever. Blocks. Raises Misconfigured for a line longer than a mebibyte, and for what is no text."""
        deadline = None if patience is None else time.monotonic() + patience
        while len(self._ready) < limit and not self._exhausted and not self._stopped.is_set():
            piece = next(self._pieces, None)
            if piece is not None:
                self._split(piece)
                continue
            left = _LOOK_UP_SECONDS if deadline is None else min(_LOOK_UP_SECONDS, deadline - time.monotonic())
            if left <= 0:
                break
            if select.select([self._descriptor], [], [], left)[0]:
                self._read()
        taken, self._ready = self._ready[:limit], self._ready[limit:]
        return taken

    def _read(self) -> None:
        try:
            block = os.read(self._descriptor, _READ)
        except OSError as error:
            raise Misconfigured(f"the input cannot be read: {error.strerror}") from error
        self.bytes_read += len(block)
        if self._form is None:
            self._first += block
            if block and undecided(self._first):
                return
            self._form = recognised(self._first)
            self._pieces = self._form.pieces(self._first)
        elif block:
            self._pieces = self._form.pieces(block)
        if not block:
            self._end()

    def _end(self) -> None:
        for piece in self._pieces:
            self._split(piece)
        if self._form is not None:
            self._form.end()
        self._split(b"", final=True)
        self._exhausted = True

    def _split(self, piece: bytes, *, final: bool = False) -> None:
        if self._decoder is None:
            utf16 = piece.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
            made = codecs.getincrementaldecoder("utf-16" if utf16 else "utf-8-sig")("replace")
            self._decoder = io.IncrementalNewlineDecoder(made, translate=True)
        text = self._rest + self._decoder.decode(piece, final)
        if "\0" in text:
            raise Misconfigured(_NO_TEXT)
        *lines, self._rest = text.split("\n")
        if final and self._rest:
            lines, self._rest = [*lines, self._rest], ""
        self._ready += lines
        if len(self._rest) > MAX_LINE:
            raise Misconfigured("a line is longer than 1 MiB: is this a CSV file?")
