"""The bytes a learner is kept in: an envelope that says what is inside and whether it is whole."""

from __future__ import annotations

import hashlib
import struct

MAGIC = b"TWLM"
VERSION = 1
_HEAD = struct.Struct("<4sHHQ32s")


class SnapshotError(ValueError):
    """The bytes are no snapshot that this version can read: foreign, damaged, or of another format version."""


def pack(name: str, payload: bytes) -> bytes:
    """Wrap a learner's payload.

    Layout, little-endian: magic `TWLM`, u16 envelope version, u16 length of the name, u64 length of the payload,
    SHA-256 of name and payload, the name in UTF-8, the payload. The digest finds damage; it is not a signature.
    """
    encoded = name.encode()
    digest = hashlib.sha256(encoded + payload).digest()
    return _HEAD.pack(MAGIC, VERSION, len(encoded), len(payload), digest) + encoded + payload


def unpack(snapshot: bytes) -> tuple[str, bytes]:
    """The learner's name and payload. Raises SnapshotError when the bytes are not what `pack` made."""
    if len(snapshot) < _HEAD.size:
        raise SnapshotError(f"a snapshot has at least {_HEAD.size} bytes, this has {len(snapshot)}")
    magic, version, name_length, payload_length, digest = _HEAD.unpack_from(snapshot)
    if magic != MAGIC:
        raise SnapshotError("these bytes are not a learner's snapshot")
    if version != VERSION:
        raise SnapshotError(f"snapshot envelope version {version} is not readable here; this version reads {VERSION}")
    body = snapshot[_HEAD.size :]
    if len(body) != name_length + payload_length or hashlib.sha256(body).digest() != digest:
        raise SnapshotError("the snapshot is damaged: its length or digest does not match its header")
    try:
        return body[:name_length].decode(), body[name_length:]
    except UnicodeDecodeError as error:
        raise SnapshotError("the snapshot names no learner") from error
