"""The envelope of a snapshot."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.learning.checkpoint import SnapshotError, pack, unpack


@given(name=st.text(max_size=50), payload=st.binary(max_size=300))
def test_what_was_packed_is_unpacked(name: str, payload: bytes) -> None:
    assert unpack(pack(name, payload)) == (name, payload)


@given(junk=st.binary(max_size=200))
def test_foreign_bytes_are_refused(junk: bytes) -> None:
    with pytest.raises(SnapshotError):
        unpack(junk)


@given(payload=st.binary(min_size=1, max_size=60), data=st.data())
def test_any_flipped_bit_is_found(payload: bytes, data: st.DataObject) -> None:
    whole = bytearray(pack("adaptive", payload))
    at = data.draw(st.integers(0, len(whole) - 1))
    whole[at] ^= 1 << data.draw(st.integers(0, 7))
    with pytest.raises(SnapshotError):
        unpack(bytes(whole))


def test_another_version_is_named_in_the_refusal() -> None:
    whole = bytearray(pack("adaptive", b"x"))
    whole[4:6] = (2).to_bytes(2, "little")
    with pytest.raises(SnapshotError, match="version 2 is not readable here; this version reads 1"):
        unpack(bytes(whole))
