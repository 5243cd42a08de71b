"""Records to bytes and back, in the Confluent wire format: a zero byte, a four-byte schema id, the Avro datum.

Trailing arrays of doubles are one Avro block of packed little-endian doubles, which numpy reads where it lies:
10,000 points of 20 numbers decode in microseconds instead of milliseconds. Arrays of whole numbers before them are
taken apart by numpy too. Any other legal block layout is read as well.
"""

from __future__ import annotations

import io
import struct
from typing import Any, TypeVar

import fastavro
import numpy as np
from numpy.typing import NDArray

from schemas.event import Event
from schemas.registry import Registry, Schema, checked_in

E = TypeVar("E", bound=Event)
FRAME = struct.Struct(">bi")
"""Ids are signed, as registries have them: whatever a value claims fits into a dead letter."""
"""What stands before the datum: zero, the schema's id."""
_EMPTY: NDArray[np.float64] = np.empty(0, np.float64)
_MORE = 0x80
"""The bit of a varint's byte that says another follows."""
_WIDEST = 10
"""Bytes of the longest varint of 64 bits."""


class Undecodable(ValueError):
    """These bytes are not a record that can be used. `reason` is a stable code for a dead letter."""

    def __init__(self, reason: str, detail: str, schema_id: int | None = None) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason, self.detail, self.schema_id = reason, detail, schema_id


class Codec:
    """Encodes with the newest schema of a record; decodes what any schema of the registry wrote."""

    def __init__(self, registry: Registry | None = None) -> None:
        self.registry = registry or checked_in()

    def encode(self, event: Event) -> bytes:
        """Raises ValueError when a field does not fit its schema."""
        schema = self.registry.named(event.SCHEMA)
        out = io.BytesIO()
        out.write(FRAME.pack(0, schema.id))
        datum = event.datum()
        try:
            fastavro.schemaless_writer(out, schema.head, datum)
        except (TypeError, AttributeError, OverflowError, struct.error) as error:
            raise ValueError(f"{event.SCHEMA}: {error}") from error
        for name in schema.arrays:
            _write_doubles(out, datum[name])
        return out.getvalue()

    def decode(self, raw: bytes, record: type[E]) -> E:
        """The record in a message's value. Raises Undecodable."""
        schema = self._writer(raw)
        newest = self.registry.named(record.SCHEMA)
        source = io.BytesIO(raw)
        source.seek(FRAME.size)
        try:
            if schema.id == newest.id:
                datum = _read(source, raw, schema)
            else:
                datum = _resolve(source, schema, newest)
            if source.tell() != len(raw):
                raise ValueError(f"{len(raw) - source.tell()} bytes behind the record")
            return record.of(datum)
        except Undecodable:
            raise
        except Exception as error:  # fastavro raises whatever the bytes made it trip over
            detail = f"{type(error).__name__}: {error}"[:300]
            raise Undecodable("avro_invalid", detail, schema.id) from error

    def _writer(self, raw: bytes) -> Schema:
        if len(raw) < FRAME.size or raw[0] != 0:
            raise Undecodable("frame_invalid", "not the Confluent wire format: a zero byte and a four-byte schema id")
        schema_id = FRAME.unpack_from(raw)[1]
        schema = self.registry.schemas.get(schema_id)
        if schema is None:
            raise Undecodable("schema_unknown", f"no schema has the id {schema_id}", schema_id)
        return schema


def schema_id_of(raw: bytes | None) -> int | None:
    """The schema id a value claims, or None where there is no frame."""
    if raw is None or len(raw) < FRAME.size or raw[0] != 0:
        return None
    return int(FRAME.unpack_from(raw)[1])


def _read(source: io.BytesIO, raw: bytes, schema: Schema) -> dict[str, Any]:
    datum: dict[str, Any] = fastavro.schemaless_reader(source, schema.front, None)  # type: ignore[assignment]
    for name in schema.whole:
        datum[name] = _read_whole(source, raw)
    for name in schema.arrays:
        datum[name] = _read_doubles(source, raw)
    return datum


def _resolve(source: io.BytesIO, writer: Schema, reader: Schema) -> dict[str, Any]:
    if writer.definition["name"] != reader.definition["name"]:
        wrote, wanted = writer.definition["name"], reader.definition["name"]
        raise Undecodable("schema_foreign", f"a {wrote} where a {wanted} belongs", writer.id)
    datum: dict[str, Any] = fastavro.schemaless_reader(source, writer.parsed, reader.parsed)  # type: ignore[assignment]
    return datum | {name: np.asarray(datum[name], np.float64) for name in reader.arrays}


def _write_doubles(out: io.BytesIO, values: NDArray[np.float64]) -> None:
    packed = np.ascontiguousarray(values, "<f8")
    if packed.ndim != 1:
        raise ValueError(f"an array of doubles has one dimension, not {packed.ndim}")
    if packed.size:
        _write_long(out, packed.size)
        out.write(packed.data)
    out.write(b"\0")


def _read_doubles(source: io.BytesIO, raw: bytes) -> NDArray[np.float64]:
    """Where they lie in `raw`, the bytes of `source`; not writable."""
    blocks: list[NDArray[np.float64]] = []
    while count := _block_size(source):
        start, end = source.tell(), source.tell() + 8 * count
        if end > len(raw):
            raise EOFError(f"a block of {count} doubles in {len(raw) - start} bytes")
        blocks.append(np.frombuffer(raw, "<f8", count, start))
        source.seek(end)
    if not blocks:
        return _EMPTY
    return blocks[0] if len(blocks) == 1 else np.concatenate(blocks)


def _read_whole(source: io.BytesIO, raw: bytes) -> list[int]:
    numbers: list[int] = []
    while count := _block_size(source):
        found, end = _varints(raw, source.tell(), count)
        numbers += found
        source.seek(end)
    return numbers


def _block_size(source: io.BytesIO) -> int:
    """The number of items in the block that begins here; 0 is the end of the array."""
    count = _read_long(source)
    if count < 0:  # a block that also states its size in bytes (Avro 1.12, Arrays)
        _read_long(source)
    return abs(count)


def _varints(raw: bytes, start: int, count: int) -> tuple[list[int], int]:
    """`count` zigzag varints from `start` on, and where they end. Small numbers are a byte each."""
    if count > len(raw) - start:
        raise EOFError(f"a block of {count} numbers in {len(raw) - start} bytes")
    octets = np.frombuffer(raw, np.uint8, count, start)
    if octets.max() < _MORE:
        return _unzigzagged(octets.astype(np.uint64)), start + count
    octets = np.frombuffer(raw, np.uint8, min(len(raw) - start, _WIDEST * count), start)
    ends = np.flatnonzero(octets < _MORE)[:count] + 1
    if len(ends) < count:
        raise EOFError("the record ends inside an array")
    starts = np.concatenate(([0], ends[:-1]))
    if (ends - starts).max() > _WIDEST:
        raise ValueError("a number longer than 64 bits")
    shifts = 7 * (np.arange(ends[-1]) - np.repeat(starts, ends - starts)).astype(np.uint64)
    pieces = (octets[: ends[-1]] & 0x7F).astype(np.uint64) << shifts
    return _unzigzagged(np.add.reduceat(pieces, starts)), start + int(ends[-1])


def _unzigzagged(numbers: NDArray[np.uint64]) -> list[int]:
    found: list[int] = (
        (numbers >> np.uint64(1)).astype(np.int64) ^ -(numbers & np.uint64(1)).astype(np.int64)
    ).tolist()
    return found


def _write_long(out: io.BytesIO, value: int) -> None:
    zigzag = value << 1
    while zigzag > 0x7F:
        out.write(bytes((zigzag & 0x7F | 0x80,)))
        zigzag >>= 7
    out.write(bytes((zigzag,)))


def _read_long(source: io.BytesIO) -> int:
    result = shift = 0
    while shift < 64:
        byte = source.read(1)
        if not byte:
            raise EOFError("the record ends inside an array")
        result |= (byte[0] & 0x7F) << shift
        if byte[0] < 0x80:
            return (result >> 1) ^ -(result & 1)
        shift += 7
    raise ValueError("a number longer than 64 bits")
