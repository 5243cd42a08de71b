"""Blocks of the format Native as a client's protocol revision has them (`client_protocol_version`).

The engine in this process writes revision 0, whatever it is told. From revision 1 on a block begins with its block
info, and from 54454 on each column says whether its serialization is a custom one; the data are the same. Where one
column ends and the next begins only the types tell, so their data are walked over.

Format: ClickHouse's src/Formats/NativeWriter.cpp and src/Core/ProtocolDefines.h.
"""

from __future__ import annotations

from pipeline.embedded.warehouse.cursor import Cursor, Unwalkable
from pipeline.embedded.warehouse.errors import refusal
from pipeline.embedded.warehouse.native_types import column

CUSTOM_SERIALIZATION = 54454
"""DBMS_MIN_REVISION_WITH_CUSTOM_SERIALIZATION"""

# Field 1: these are no overflow rows; field 2: of no bucket (-1); no more fields.
_BLOCK_INFO = b"\x01\x00\x02\xff\xff\xff\xff\x00"
_NOT_CUSTOM = b"\x00"


def revised(blocks: bytes, revision: int) -> bytes:
    """`blocks`, whole ones of revision 0, as `revision` has them. Raises NOT_IMPLEMENTED for a type whose data cannot
    be walked over, such as the states of aggregate functions."""
    if not revision:
        return blocks
    cursor = Cursor(blocks)
    pieces: list[bytes] = []
    while cursor.position < len(blocks):
        pieces.append(_BLOCK_INFO)
        _block(cursor, revision >= CUSTOM_SERIALIZATION, pieces)
    return b"".join(pieces)


def _block(cursor: Cursor, says_custom: bool, pieces: list[bytes]) -> None:
    start = cursor.position
    columns, rows = cursor.number(), cursor.number()
    for _ in range(columns):
        name, kind = cursor.text(), cursor.text()
        if says_custom:
            pieces += (cursor.since(start), _NOT_CUSTOM)
            start = cursor.position
        if rows:
            _data(cursor, name, kind, rows)
    pieces.append(cursor.since(start))


def _data(cursor: Cursor, name: str, kind: str, rows: int) -> None:
    try:
        column(kind)(cursor)(rows)
    except Unwalkable as error:
        raise refusal(
            "NOT_IMPLEMENTED",
            f"Column {name} of type {kind} cannot be sent as Native to this client: {error}. Select what can be, for "
            "an aggregate function's state finalizeAggregation(…), for others toString(…), or take another format",
        ) from error
