"""Lines from a pipe that may be slow, endless, or broken in the middle of a character."""

from __future__ import annotations

import bz2
import gzip
import lzma
import os
import tempfile
from collections.abc import Callable, Iterator
from threading import Timer
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.cli.compression import Compressed, Gzip
from pipeline.cli.lines import MAX_LINE, Lines
from pipeline.errors import Misconfigured


class Pipe(NamedTuple):
    lines: Lines
    end: int


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    reading, writing = os.pipe()
    yield Pipe(Lines(reading), writing)
    os.close(reading)


def all_of(content: bytes) -> list[str]:
    with tempfile.TemporaryFile() as file:
        file.write(content)
        file.seek(0)
        lines = Lines(file.fileno())
        taken: list[str] = []
        while not lines.ended:
            taken += lines.take(3, None)
        return taken


def test_the_last_line_needs_no_end_and_a_byte_order_mark_is_dropped() -> None:
    assert all_of("\ufeffé,1\r\n2\n3".encode()) == ["é,1", "2", "3"]
    assert all_of(b"") == []


@given(st.lists(st.text(st.characters(exclude_characters="\n\r\ufeff\0", exclude_categories=["Cs"]), max_size=50)))
def test_every_line_is_given_once_in_order(lines: list[str]) -> None:
    assert all_of("".join(f"{line}\n" for line in lines).encode()) == lines


@pytest.mark.parametrize("ending", ["\n", "\r\n", "\r"])
def test_lines_end_as_every_system_ends_them(ending: str) -> None:
    assert all_of(ending.join(["1", "", "2"]).encode()) == ["1", "", "2"]
    assert all_of(ending.join(["1", "2", ""]).encode()) == ["1", "2"]


def test_an_ending_that_comes_in_two_parts_is_one(pipe: Pipe) -> None:
    os.write(pipe.end, b"column\r")
    assert pipe.lines.take(1, 0.05) == []
    os.write(pipe.end, b"\n1\r\n")
    assert pipe.lines.take(3, 0.05) == ["column", "1"]
    os.close(pipe.end)


def test_utf_16_is_read_where_it_says_so_and_refused_where_not() -> None:
    assert all_of("é,1\n2".encode("utf-16")) == ["é,1", "2"]
    with pytest.raises(Misconfigured, match="NUL characters"):
        all_of("abc,1\n2".encode("utf-16-le"))


@pytest.mark.parametrize("compress", [gzip.compress, bz2.compress, lzma.compress])
def test_what_is_compressed_is_decompressed_in_bounded_pieces(compress: Callable[[bytes], bytes]) -> None:
    lines = [f"{number},{number}" for number in range(20_000)]
    whole = "\n".join(lines).encode()
    assert all_of(compress(whole)) == lines
    assert all_of(compress(whole[:1000]) + compress(whole[1000:])) == lines, "one behind the other"
    with pytest.raises(Misconfigured, match="ends in the middle"):
        all_of(compress(whole)[:-20])
    damaged = bytearray(compress(whole))
    damaged[len(damaged) // 2 : len(damaged) // 2 + 8] = b"\xff" * 8
    with pytest.raises(Misconfigured, match=r"damaged|in the middle|no text"):
        all_of(bytes(damaged))


def test_a_bomb_is_not_held_in_memory() -> None:
    bomb = Compressed("gzip", Gzip)
    assert max(len(piece) for piece in bomb.pieces(gzip.compress(bytes(10 * MAX_LINE)))) <= 64 * 1024


@pytest.mark.parametrize(
    ("first", "said"),
    [
        (b"PK\x03\x04rest of it", "ZIP archive or a spreadsheet"),
        (b"PAR1 and more", "Parquet"),
        (b"\x28\xb5\x2f\xfd and more", "zstd -dc FILE"),
        (b"SQLite format 3\0", "SQLite"),
        (b"%PDF-1.7", "a PDF"),
    ],
)
def test_what_is_no_text_is_refused_with_what_to_do(first: bytes, said: str) -> None:
    with pytest.raises(Misconfigured, match=said):
        all_of(first)


def test_what_has_come_is_given_when_patience_ends(pipe: Pipe) -> None:
    os.write(pipe.end, b"1\n2\nhal")
    assert pipe.lines.take(10, 0.05) == ["1", "2"]
    os.write(pipe.end, b"f\n")
    assert pipe.lines.take(1, None) == ["half"]
    assert not pipe.lines.ended
    os.close(pipe.end)
    assert pipe.lines.take(1, None) == []
    assert pipe.lines.ended


def test_stop_ends_a_wait_that_has_no_end(pipe: Pipe) -> None:
    os.write(pipe.end, b"1\n")
    Timer(0.1, pipe.lines.stop).start()
    assert pipe.lines.take(10, None) == ["1"]
    assert pipe.lines.ended
    os.close(pipe.end)


def test_a_line_without_end_is_refused_before_it_fills_the_memory() -> None:
    with tempfile.TemporaryFile() as endless:
        endless.write(b"1" * (4 * MAX_LINE))
        endless.seek(0)
        lines = Lines(endless.fileno())
        with pytest.raises(Misconfigured, match="longer than 1 MiB"):
            lines.take(1, None)
    assert lines.bytes_read <= 2 * MAX_LINE
