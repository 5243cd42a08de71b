"""Many records at once, when they differ in nothing but numbers: columns instead of objects.

A sensor's one-point messages are the same bytes but for a time and a few doubles. Read and written as one matrix of
bytes, a row a record, they cost a hundredth of what one does alone. What is not alike is left to `Codec`.
"""

from __future__ import annotations

import io
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any, Generic, TypeVar, cast

import fastavro
import numpy as np
from numpy.typing import NDArray

from schemas.codec import FRAME, Codec
from schemas.event import Event
from schemas.registry import Part, Schema

E = TypeVar("E", bound=Event)
Bytes = NDArray[np.uint8]
Column = NDArray[Any]
_Piece = tuple[Bytes, NDArray[np.bool_] | None]
_MORE = 0x80
_SHIFTS = np.arange(10, dtype=np.uint64) * np.uint64(7)
"""Of the longest varint of 64 bits."""


@dataclass(frozen=True, slots=True)
class Alike(Generic[E]):
    """Records like `first`, itself the first of them, but for `columns`: a number's is (n,) int64, an array's (n, m)
    int64 or float64. All have n rows, one at least."""

    first: E
    columns: Mapping[str, Column]

    def __len__(self) -> int:
        return len(next(iter(self.columns.values())))

    def __getitem__(self, index: int) -> E:
        """Record `index` by itself. Raises IndexError."""
        return replace(self.first, **{name: _item(column[index]) for name, column in self.columns.items()})


def decode_alike(codec: Codec, values: Sequence[bytes], kind: type[E], numbers: Collection[str]) -> Alike[E] | None:
    """The records, if they are alike but for the top-level integers named and the trailing arrays of doubles; None if
    not, or not of today's schema, or not written as `Codec` writes. The first must be decodable: raises Undecodable."""
    first = codec.decode(values[0], kind)
    schema = codec.registry.named(kind.SCHEMA)
    size = len(values[0])
    layout = _layout(schema, first, size, values[0], numbers)
    if layout is None or any(len(value) != size for value in values):
        return None
    rows = np.frombuffer(b"".join(values), np.uint8).reshape(len(values), size)
    if not np.array_equal(
        rows[:, layout.fixed], np.broadcast_to(rows[0, layout.fixed], (len(rows), len(layout.fixed)))
    ):
        return None
    columns: dict[str, Column] = {}
    for name, span in layout.numbers.items():
        digits = rows[:, span]
        if not ((digits >= _MORE) == (digits[0] >= _MORE)).all():
            return None
        columns[name] = _signed(digits)
    for name, span in layout.arrays.items():
        columns[name] = np.ascontiguousarray(rows[:, span]).view("<f8")
    return Alike(first, columns)


def encode_alike(codec: Codec, alike: Alike[Any]) -> list[bytes]:
    """Each record as `Codec.encode` would write it. Raises ValueError when a field does not fit its schema."""
    schema = codec.registry.named(alike.first.SCHEMA)
    count, datum = len(alike), alike.first.datum()
    pieces: list[bytes | _Piece] = [FRAME.pack(0, schema.id)]
    for part in schema.parts(alike.columns):
        column = alike.columns.get(part.names[0])
        pieces += [_encoded(schema, part, datum)] if column is None else _written(column)
    for name in schema.arrays:
        pieces += _written(np.asarray(alike.columns[name], "<f8"))
    return _joined(_merged(pieces, count), count)


def _item(value: Any) -> Any:
    return value if value.ndim and value.dtype == np.float64 else value.tolist()


@dataclass(frozen=True, slots=True)
class _Layout:
    """Where things stand in a record: bytes that all must share, varints, arrays' doubles."""

    fixed: NDArray[np.intp]
    numbers: dict[str, slice]
    arrays: dict[str, slice]


def _layout(schema: Schema, first: Event, size: int, raw: bytes, numbers: Collection[str]) -> _Layout | None:
    at, fixed = FRAME.size, np.ones(size, bool)
    datum, spans, arrays = first.datum(), {}, {}
    parts = [FRAME.pack(0, schema.id)]
    for part in schema.parts(numbers):
        encoded = _encoded(schema, part, datum)
        if part.names[0] in numbers:
            spans[part.names[0]] = slice(at, at + len(encoded))
            fixed[spans[part.names[0]]] = False
        parts.append(encoded)
        at += len(encoded)
    for name in schema.arrays:
        count = datum[name].size
        head = _varint(count) if count else b""
        arrays[name] = slice(at + len(head), at + len(head) + 8 * count)
        fixed[arrays[name]] = False
        parts += [head, datum[name].astype("<f8").tobytes(), b"\0"]
        at = arrays[name].stop + 1
    return _Layout(np.flatnonzero(fixed), spans, arrays) if b"".join(parts) == raw else None


def _encoded(schema: Schema, part: Part, datum: Mapping[str, Any]) -> bytes:
    out = io.BytesIO()
    try:
        fastavro.schemaless_writer(out, part.parsed, {name: datum[name] for name in part.names})
    except (TypeError, AttributeError, OverflowError) as error:
        raise ValueError(f"{schema.name}: {error}") from error
    return out.getvalue()


def _varint(count: int) -> bytes:
    """Of an array's size."""
    zigzag, out = count << 1, bytearray()
    while zigzag >= _MORE:
        out.append(zigzag & (_MORE - 1) | _MORE)
        zigzag >>= 7
    out.append(zigzag)
    return bytes(out)


def _signed(digits: Bytes) -> NDArray[np.int64]:
    """(n, w) bytes of varints, all w long, to (n,) numbers: zigzag (Avro 1.12, Primitive Types)."""
    value = np.zeros(len(digits), np.uint64)
    for place in range(digits.shape[1]):
        value |= (digits[:, place] & (_MORE - 1)).astype(np.uint64) << np.uint64(7 * place)
    return (value >> np.uint64(1)).view(np.int64) ^ -(value & np.uint64(1)).view(np.int64)


def _digits(values: NDArray[np.int64]) -> _Piece:
    """(n,) numbers to (n, w) bytes of varints and which of them count; None: all."""
    zigzag = ((values << 1) ^ (values >> 63)).astype(np.int64).view(np.uint64)
    least, widest = _width(int(zigzag.min())), _width(int(zigzag.max()))
    digits = (zigzag[:, None] >> _SHIFTS[:widest]).astype(np.uint8) & np.uint8(_MORE - 1)
    if least == widest:
        digits[:, :-1] |= _MORE
        return digits, None
    sizes = 1 + (zigzag[:, None] >= np.uint64(1) << _SHIFTS[1:]).sum(1)
    place = np.arange(widest)
    digits[place < sizes[:, None] - 1] |= _MORE
    return digits, place < sizes[:, None]


def _width(zigzag: int) -> int:
    """Bytes of its varint."""
    return max(1, -(-zigzag.bit_length() // 7))


def _written(column: Column) -> list[bytes | _Piece]:
    """A number as a varint; an array as one block of (n, m) items, or none, and the zero that ends it."""
    if column.ndim == 1:
        return [_digits(column.astype(np.int64))]
    if not column.shape[1]:
        return [b"\0"]
    if column.dtype == np.float64:
        items: list[_Piece] = [(np.ascontiguousarray(column).view(np.uint8), None)]
    else:
        items = [_digits(column[:, place].astype(np.int64)) for place in range(column.shape[1])]
    return [_varint(column.shape[1]), *items, b"\0"]


def _merged(pieces: Sequence[bytes | _Piece], count: int) -> list[_Piece]:
    """What all records share stands in every row; what is shared side by side is one piece."""
    merged: list[_Piece] = []
    for are_shared, group in groupby(pieces, lambda piece: isinstance(piece, bytes)):
        if are_shared:
            shared = np.frombuffer(b"".join(cast(Iterable[bytes], group)), np.uint8)
            merged.append((shared[None, :].repeat(count, axis=0), None))
        else:
            merged += cast(Iterable[_Piece], group)
    return merged


def _joined(pieces: Sequence[_Piece], count: int) -> list[bytes]:
    rows = np.concatenate([digits for digits, _ in pieces], axis=1)
    if all(counts is None for _, counts in pieces):
        size, whole = rows.shape[1], rows.tobytes()
        return [whole[at : at + size] for at in range(0, count * size, size)]
    counted = np.ones(rows.shape, bool)
    at = 0
    for digits, counts in pieces:
        if counts is not None:
            counted[:, at : at + digits.shape[1]] = counts
        at += digits.shape[1]
    ends = np.cumsum(counted.sum(1)).tolist()
    whole = rows[counted].tobytes()
    return [whole[start:end] for start, end in zip([0, *ends], ends, strict=False)]
