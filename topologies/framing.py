"""The frame of a state in its changelog: a key that names the partition, and before its bytes the offset applied."""

from __future__ import annotations

import struct

_HEAD = struct.Struct(">q")
HEAD_BYTES = _HEAD.size


def pack(applied: int, body: bytes) -> bytes:
    return _HEAD.pack(applied) + body


def unpack(value: bytes) -> tuple[int, bytes]:
    """(applied offset, body)"""
    return applied_of(value), value[_HEAD.size :]


def key_of(partition: int, key: str) -> bytes:
    """State belongs to a partition: a key that a foreign partitioner put on two of them has two states, not one mixed
    one. The empty key is the partition's own record: the offset its checkpoint has reached."""
    return b"%d/%s" % (partition, key.encode())


def name_of(partition: int, key: bytes) -> str:
    """What `key_of` was made of; empty of the partition's own record."""
    return key[len(own_key(partition)) :].decode()


def applied_of(value: bytes) -> int:
    return int(_HEAD.unpack_from(value)[0])


def own_key(partition: int) -> bytes:
    """The key of the partition's own record, with which the keys of all its states begin."""
    return key_of(partition, "")
