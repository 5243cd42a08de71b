"""Cursors: marks as signed text, for SSE ids and WebSocket cursors. Any replica reads what another wrote.

Format, version 1, base64url without padding (RFC 4648, 5) of

    version:1 byte  topics:varint  (crc32(name):4 bytes  partitions:varint  offsets:varint...)...
    skip:varint  [place:varint, where skip > 0]  mac:16 bytes

`mac` is HMAC-SHA256 of all before it, truncated to 128 bits (RFC 2104, 5). Topics are named by their checksum, so
that a cursor outlives a change of the set of watched topics.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import struct
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ingest_api.live.layout import Layout, Mark, Place

VERSION = 1
MAX_LENGTH = 16 * 1024
_MAC = 16
_MAX_OFFSET = (1 << 63) - 1


class CursorRefused(ValueError):
    """This text is no cursor of ours. `str` is one sentence for the client."""


@dataclass(frozen=True, slots=True)
class Cursor:
    """What a cursor says of the topics still watched: next offsets, and how many messages of the record at
    `half_told` were told already."""

    offsets: Mapping[Place, int]
    half_told: Place | None = None
    skip: int = 0


class Cursors:
    """Writes and reads cursors. The first of `keys` signs, all are accepted."""

    def __init__(self, keys: Sequence[bytes], layout: Layout) -> None:
        if not keys or any(len(key) < 16 for key in keys):
            raise ValueError("a cursor key has at least 16 bytes")
        self._keys, self.layout = tuple(keys), layout
        self._names = {zlib.crc32(topic.encode()): topic for topic in layout.partitions}
        if len(self._names) < len(layout.partitions):
            raise ValueError("two watched topics have the same checksum")

    def write(self, mark: Mark) -> str:
        out = bytearray((VERSION,))
        _put(out, len(self.layout.partitions))
        at = 0
        for topic, count in self.layout.partitions.items():
            out += struct.pack(">I", zlib.crc32(topic.encode()))
            _put(out, count)
            for offset in mark.vector[at : at + count]:
                _put(out, offset)
            at += count
        _put(out, mark.skip)
        if mark.skip:
            _put(out, mark.place)
        out += self._mac(self._keys[0], out)
        return base64.urlsafe_b64encode(out).rstrip(b"=").decode("ascii")

    def read(self, text: str) -> Cursor:
        """Raises CursorRefused for whatever `write` did not write under one of the keys."""
        raw = _decoded(text)
        payload, mac = raw[:-_MAC], raw[-_MAC:]
        if not any(hmac.compare_digest(mac, self._mac(key, payload)) for key in self._keys):
            raise CursorRefused("the cursor's signature does not hold: it was not issued here")
        if payload[0] != VERSION:
            raise CursorRefused(f"the cursor is of version {payload[0]}, this server reads {VERSION}")
        try:
            return self._parsed(payload)
        except (IndexError, struct.error) as error:
            raise CursorRefused("the cursor is cut off") from error

    def _parsed(self, payload: bytes) -> Cursor:
        source = _Source(payload)
        offsets: dict[Place, int] = {}
        places: list[Place | None] = []
        for _ in range(source.number()):
            topic = self._names.get(source.checksum())
            for partition in range(source.number()):
                offset = source.number()
                known = topic is not None and partition < self.layout.partitions[topic]
                place = (topic, partition) if topic is not None and known else None
                places.append(place)
                if place is not None:
                    offsets[place] = offset
        skip = source.number()
        half_told = places[source.number()] if skip else None
        return Cursor(offsets, half_told, skip if half_told else 0)

    @staticmethod
    def _mac(key: bytes, payload: bytes | bytearray) -> bytes:
        return hmac.digest(key, payload, hashlib.sha256)[:_MAC]


def _decoded(text: str) -> bytes:
    if len(text) > MAX_LENGTH:
        raise CursorRefused(f"a cursor has at most {MAX_LENGTH} characters")
    try:
        raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (ValueError, binascii.Error) as error:
        raise CursorRefused("a cursor is base64url text as this server gave it") from error
    if len(raw) < 1 + _MAC:
        raise CursorRefused("the cursor is cut off")
    return raw


class _Source:
    """A reader of the numbers in a payload. Raises IndexError or struct.error at its end."""

    def __init__(self, payload: bytes) -> None:
        self._payload, self._at = payload, 1

    def checksum(self) -> int:
        self._at += 4
        return int(struct.unpack_from(">I", self._payload, self._at - 4)[0])

    def number(self) -> int:
        value = shift = 0
        while True:
            byte = self._payload[self._at]
            self._at += 1
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                break
            shift += 7
        if value > _MAX_OFFSET:
            raise CursorRefused("the cursor holds no offset")
        return value


def _put(out: bytearray, value: int) -> None:
    if not 0 <= value <= _MAX_OFFSET:
        raise ValueError(f"an offset is from 0 to {_MAX_OFFSET}, not {value}")
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
