"""Lines from a pipe that may be slow, endless, or broken in the middle of a character."""

from __future__ import annotations

import os
from collections.abc import Iterator
from threading import Timer
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

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
    reading, writing = os.pipe()
    try:
        os.write(writing, content)
        os.close(writing)
        lines = Lines(reading)
        taken: list[str] = []
        while not lines.ended:
            taken += lines.take(3, None)
        return taken
    finally:
        os.close(reading)


def test_the_last_line_needs_no_end_and_a_byte_order_mark_is_dropped() -> None:
    assert all_of("\ufeffé,1\r\n2\n3".encode()) == ["é,1", "2", "3"]
    assert all_of(b"") == []


@given(st.lists(st.text(st.characters(exclude_characters="\n\r\ufeff", exclude_categories=["Cs"]), max_size=50)))
def test_every_line_is_given_once_in_order(lines: list[str]) -> None:
    assert all_of("".join(f"{line}\n" for line in lines).encode()) == lines


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
    with open("/dev/zero", "rb", buffering=0) as endless:
        lines = Lines(endless.fileno())
        with pytest.raises(Misconfigured, match="longer than 1 MiB"):
            lines.take(1, None)
    assert lines.bytes_read <= 2 * MAX_LINE
