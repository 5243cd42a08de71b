"""ClickHouse's own compressed blocks (`compress=1`, `decompress=1`): checksum, method, two sizes, data.

Format: src/Compression/CompressedReadBufferBase.cpp. The checksum is CityHash128 (version 1.0.2) of all that follows.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator

import lz4.block
import zstandard
from clickhouse_cityhash.cityhash import CityHash128  # type: ignore[import-untyped]

from pipeline.embedded.warehouse.errors import refusal

_LZ4, _ZSTD, _NONE = 0x82, 0x90, 0x02
_CHECKSUM = struct.Struct("<QQ")
_HEADER = struct.Struct("<BII")
_BLOCK = 1 << 20
_BLOCK_LIMIT = 16 << 20


class BlockEncoder:
    """Each block holds at most 1 MiB, compressed with LZ4."""

    def encode(self, data: bytes) -> bytes:
        return b"".join(_block(data[start : start + _BLOCK]) for start in range(0, len(data), _BLOCK))

    def finish(self) -> bytes:
        return b""


def unframed(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """The blocks' contents. Raises CHECKSUM_DOESNT_MATCH and CANNOT_DECOMPRESS for damaged or cut blocks."""
    buffer = bytearray()
    for piece in pieces:
        buffer += piece
        while (block := _taken(buffer)) is not None:
            yield _content(block)
    if buffer:
        raise refusal("CANNOT_DECOMPRESS", "The request's body ends in the middle of a compressed block")


def _block(data: bytes) -> bytes:
    packed: bytes = lz4.block.compress(data, store_size=False)
    body = _HEADER.pack(_LZ4, _HEADER.size + len(packed), len(data)) + packed
    return _checksum(body) + body


def _checksum(body: bytes) -> bytes:
    value: int = CityHash128(body)
    return bytes(_CHECKSUM.pack(value >> 64, value & 0xFFFFFFFFFFFFFFFF))


def _taken(buffer: bytearray) -> bytes | None:
    """Takes one whole block off the buffer's front; None while it is not all there."""
    start = _CHECKSUM.size
    if len(buffer) < start + _HEADER.size:
        return None
    _, packed_size, size = _HEADER.unpack_from(buffer, start)
    if not _HEADER.size <= packed_size <= _BLOCK_LIMIT or size > _BLOCK_LIMIT:
        raise refusal("CANNOT_DECOMPRESS", f"A compressed block of {packed_size} for {size} bytes is out of bounds")
    if len(buffer) < start + packed_size:
        return None
    block = bytes(buffer[: start + packed_size])
    del buffer[: start + packed_size]
    return block


def _content(block: bytes) -> bytes:
    body = block[_CHECKSUM.size :]
    if block[: _CHECKSUM.size] != _checksum(body):
        raise refusal("CHECKSUM_DOESNT_MATCH", "Checksum doesn't match: corrupted data in the request's body")
    method, _, size = _HEADER.unpack_from(body)
    packed = body[_HEADER.size :]
    try:
        if method == _LZ4:
            content: bytes = lz4.block.decompress(packed, uncompressed_size=size)
        elif method == _ZSTD:
            content = zstandard.ZstdDecompressor().decompress(packed, max_output_size=size)
        elif method == _NONE:
            content = packed
        else:
            raise refusal("UNKNOWN_COMPRESSION_METHOD", f"Unknown method {method:#x} of a compressed block")
    except (lz4.block.LZ4BlockError, zstandard.ZstdError) as error:
        raise refusal("CANNOT_DECOMPRESS", f"A compressed block cannot be read: {error}") from error
    if len(content) != size:
        raise refusal("CANNOT_DECOMPRESS", f"A compressed block holds {len(content)} bytes, not {size}")
    return content
