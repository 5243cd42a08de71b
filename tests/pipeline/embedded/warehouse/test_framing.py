"""ClickHouse's compressed blocks are written and read as the engine itself writes them."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.embedded.warehouse.errors import WarehouseError
from pipeline.embedded.warehouse.framing import BlockEncoder, unframed
from tests.pipeline.embedded.warehouse.running import Warehouse


@given(st.lists(st.binary(max_size=3000), max_size=5), st.integers(1, 500))
def test_blocks_come_back_however_they_are_cut(pieces: list[bytes], cut: int) -> None:
    coder = BlockEncoder()
    body = b"".join(coder.encode(piece) for piece in pieces) + coder.finish()
    parts = [body[start : start + cut] for start in range(0, len(body), cut)]
    assert b"".join(unframed(parts)) == b"".join(pieces)


@given(st.binary(min_size=1, max_size=500), st.integers(0, 10_000), st.integers(1, 255))
def test_a_changed_byte_is_noticed(data: bytes, place: int, change: int) -> None:
    body = bytearray(BlockEncoder().encode(data))
    body[place % len(body)] ^= change
    with pytest.raises(WarehouseError):
        list(unframed([bytes(body)]))


def test_the_engines_own_files_are_read(warehouse: Warehouse, table: str) -> None:
    """A compact part's data file is a row of such blocks: their checksums and sizes are the engine's word."""
    assert warehouse.ask(f"INSERT INTO {table} SELECT number, toString(number) FROM numbers(1000)").status == 200
    path = warehouse.ask(f"SELECT any(path) FROM system.parts WHERE table = '{table}' AND active").text.strip()
    (file,) = Path(path).glob("data.bin")
    content = b"".join(unframed([file.read_bytes()]))
    assert b"".join(number.to_bytes(8, "little") for number in range(1000)) in content
