"""What a file is by its first bytes: text, text that is compressed, or nothing that holds points."""

from __future__ import annotations

import bz2
import lzma
import zlib
from collections.abc import Callable, Iterator
from typing import Protocol

from pipeline.errors import Misconfigured

_PIECE = 64 * 1024
_FOREIGN = {
    b"PK\x03\x04": "a ZIP archive or a spreadsheet: save it as CSV, or unpack it and pipe it in (unzip -p FILE)",
    b"PAR1": "a Parquet file: convert it to CSV",
    b"\x28\xb5\x2f\xfd": "compressed by zstd: pipe it in (zstd -dc FILE)",
    b"\x04\x22\x4d\x18": "compressed by lz4: pipe it in (lz4 -dc FILE)",
    b"\xd0\xcf\x11\xe0": "an old spreadsheet: save it as CSV",
    b"SQLite": "a SQLite database: export a table as CSV",
    b"%PDF": "a PDF",
}


class Decompressor(Protocol):
    """As bz2 and lzma have it."""

    @property
    def eof(self) -> bool: ...

    @property
    def needs_input(self) -> bool: ...

    @property
    def unused_data(self) -> bytes: ...

    def decompress(self, data: bytes, max_length: int = -1) -> bytes: ...


class Gzip:
    """zlib's decompressor for gzip (RFC 1952), in the form of the others."""

    def __init__(self) -> None:
        self._inner = zlib.decompressobj(wbits=31)

    @property
    def eof(self) -> bool:
        return self._inner.eof

    @property
    def needs_input(self) -> bool:
        return not self._inner.unconsumed_tail

    @property
    def unused_data(self) -> bytes:
        return self._inner.unused_data

    def decompress(self, data: bytes, max_length: int = -1) -> bytes:
        return self._inner.decompress(self._inner.unconsumed_tail + data, max(0, max_length))


_COMPRESSED: dict[bytes, tuple[str, Callable[[], Decompressor]]] = {
    b"\x1f\x8b": ("gzip", Gzip),
    b"BZh": ("bzip2", bz2.BZ2Decompressor),
    b"\xfd7zXZ\x00": ("xz", lzma.LZMADecompressor),
}


class Plain:
    """Text as it is."""

    def pieces(self, block: bytes) -> Iterator[bytes]:
        yield block

    def end(self) -> None:
        """Text may end anywhere."""


class Compressed:
    """One or several compressed streams one behind the other, as `gzip` and its like read them."""

    def __init__(self, name: str, make: Callable[[], Decompressor]) -> None:
        self._name, self._make = name, make
        self._inner = make()

    def pieces(self, block: bytes) -> Iterator[bytes]:
        """What is in the block, never more than 64 KiB at a time. Raises Misconfigured where it is damaged."""
        try:
            while block or not (self._inner.eof or self._inner.needs_input):
                if self._inner.eof:
                    self._inner = self._make()
                yield self._inner.decompress(block, _PIECE)
                block = self._inner.unused_data if self._inner.eof else b""
        except (zlib.error, lzma.LZMAError, OSError) as error:
            raise Misconfigured(f"the input is {self._name} and damaged: {error}") from error

    def end(self) -> None:
        """Raises Misconfigured where the end is missing."""
        if not self._inner.eof:
            raise Misconfigured(f"the input is {self._name} and ends in the middle: was it copied whole?")


def undecided(first: bytes) -> bool:
    """Whether more bytes must come to tell what it is."""
    return any(magic.startswith(first) and magic != first for magic in (*_FOREIGN, *_COMPRESSED))


def recognised(first: bytes) -> Plain | Compressed:
    """How to read what begins with these bytes. Raises Misconfigured for what is no text, and says what to do."""
    for magic, what in _FOREIGN.items():
        if first.startswith(magic):
            raise Misconfigured(f"the input is {what}")
    for magic, (name, make) in _COMPRESSED.items():
        if first.startswith(magic):
            return Compressed(name, make)
    return Plain()
