"""HTTP content codings, both ways: bodies of any number of frames in, one frame out. Bombs are bounded."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Protocol

import lz4.frame
import zstandard

from pipeline.embedded.warehouse.errors import refusal

_PIECE = 1 << 20
_INPUT = 4096
# A zstd frame can hold 32,768 times its size, and its decompressor knows no output bound: fed so little at once, it
# gives 8 MiB at most. The window is what RFC 8878 (3.1.1.1.2) asks decoders to support: a frame claims its memory.
_ZSTD_INPUT = 256
_ZSTD_WINDOW = 8 << 20
_FRAMES_LIMIT = 100_000


class Encoder(Protocol):
    def encode(self, data: bytes) -> bytes: ...

    def finish(self) -> bytes: ...


def decoded(coding: str, pieces: Iterable[bytes], limit: int) -> Iterator[bytes]:
    """The body without its content coding ("" or identity: none), in pieces of some MiB.

    One body may be several frames one after another: clickhouse-connect sends one for each block. Raises
    UNKNOWN_COMPRESSION_METHOD, CANNOT_DECOMPRESS for damaged or cut data, TOO_LARGE_REQUEST_BODY past `limit` bytes.
    """
    coding = coding.strip().lower()
    if coding in ("", "identity"):
        return _bounded(pieces, limit)
    if coding not in _FRAMES:
        known = ", ".join(sorted(_FRAMES))
        raise refusal("UNKNOWN_COMPRESSION_METHOD", f"Unknown content encoding {coding!r}; known are {known}")
    return _bounded(_checked(coding, _FRAMES[coding](pieces)), limit)


def encoder(coding: str) -> Encoder:
    """An encoder for one of `CODINGS`."""
    return _ENCODERS[coding]()


def choose(accepted: str) -> str | None:
    """The coding to answer in, by the client's Accept-Encoding; a coding with q=0 is refused."""
    offered = set()
    for entry in accepted.lower().split(","):
        name, _, quality = entry.partition(";")
        if quality.replace(" ", "") not in ("q=0", "q=0.0", "q=0.00", "q=0.000"):
            offered.add(name.strip())
    return next((coding for coding in CODINGS if coding in offered), None)


def _bounded(pieces: Iterable[bytes], limit: int) -> Iterator[bytes]:
    total = 0
    for piece in pieces:
        total += len(piece)
        if total > limit:
            raise refusal("TOO_LARGE_REQUEST_BODY", f"The request's body is more than {limit} bytes once decompressed")
        yield piece


def _checked(coding: str, pieces: Iterator[bytes]) -> Iterator[bytes]:
    try:
        yield from pieces
    except (zlib.error, zstandard.ZstdError, RuntimeError, EOFError) as error:
        raise refusal("CANNOT_DECOMPRESS", f"The request's body is not whole, valid {coding}: {error}") from error


def _lz4_frames(pieces: Iterable[bytes]) -> Iterator[bytes]:
    def step(decoder: Any, data: bytes) -> tuple[bytes, bytes]:
        out = decoder.decompress(data, max_length=_PIECE)
        return out, decoder.unused_data or b"" if decoder.eof else b""

    return _frames(pieces, lz4.frame.LZ4FrameDecompressor, step, lambda decoder: decoder.needs_input)


def _zlib_frames(window: int) -> Callable[[Iterable[bytes]], Iterator[bytes]]:
    def step(decoder: Any, data: bytes) -> tuple[bytes, bytes]:
        out = decoder.decompress(data, _PIECE)
        return out, decoder.unused_data if decoder.eof else decoder.unconsumed_tail

    def frames(pieces: Iterable[bytes]) -> Iterator[bytes]:
        return _frames(pieces, lambda: zlib.decompressobj(window), step, lambda _: False)

    return frames


def _zstd_frames(pieces: Iterable[bytes]) -> Iterator[bytes]:
    def step(decoder: Any, data: bytes) -> tuple[bytes, bytes]:
        return decoder.decompress(data), decoder.unused_data if decoder.eof else b""

    reader = zstandard.ZstdDecompressor(max_window_size=_ZSTD_WINDOW)
    return _frames(pieces, reader.decompressobj, step, lambda _: True, _ZSTD_INPUT)


def _frames(
    pieces: Iterable[bytes],
    make: Callable[[], Any],
    step: Callable[[Any, bytes], tuple[bytes, bytes]],
    is_hungry: Callable[[Any], bool],
    most: int = _INPUT,
) -> Iterator[bytes]:
    """Frame after frame: `step` gives what came out and what of the input is left over. It is given `most` bytes at
    once: each frame and each piece of output copies what is left over."""
    decoder: Any = None
    frames = 0
    for data in (piece[at : at + most] for piece in pieces for at in range(0, len(piece), most)):
        while data or (decoder is not None and not decoder.eof and not is_hungry(decoder)):
            if decoder is None or decoder.eof:
                frames += 1
                if frames > _FRAMES_LIMIT:
                    raise EOFError(f"it is more than {_FRAMES_LIMIT} frames")
                decoder = make()
            out, data = step(decoder, data)
            if out:
                yield out
            elif not data:
                break
    if decoder is not None and not decoder.eof:
        raise EOFError("it ends in the middle of a frame")


class _Zlib:
    def __init__(self, window: int) -> None:
        self._compressor = zlib.compressobj(1, zlib.DEFLATED, window)

    def encode(self, data: bytes) -> bytes:
        return self._compressor.compress(data)

    def finish(self) -> bytes:
        return self._compressor.flush()


class _Zstd:
    def __init__(self) -> None:
        self._compressor = zstandard.ZstdCompressor(level=1).compressobj()

    def encode(self, data: bytes) -> bytes:
        return bytes(self._compressor.compress(data))

    def finish(self) -> bytes:
        return bytes(self._compressor.flush())


class _Lz4:
    def __init__(self) -> None:
        self._compressor = lz4.frame.LZ4FrameCompressor()
        self._begun: bytes = self._compressor.begin()

    def encode(self, data: bytes) -> bytes:
        begun, self._begun = self._begun, b""
        return bytes(begun + self._compressor.compress(data))

    def finish(self) -> bytes:
        begun, self._begun = self._begun, b""
        return bytes(begun + self._compressor.flush())


_FRAMES: dict[str, Callable[[Iterable[bytes]], Iterator[bytes]]] = {
    "gzip": _zlib_frames(31),
    "deflate": _zlib_frames(15),
    "lz4": _lz4_frames,
    "zstd": _zstd_frames,
}
_ENCODERS: dict[str, Callable[[], Encoder]] = {
    "lz4": _Lz4,
    "zstd": _Zstd,
    "gzip": lambda: _Zlib(31),
    "deflate": lambda: _Zlib(15),
}
CODINGS = tuple(_ENCODERS)
