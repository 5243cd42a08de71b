"""Lines come whole out of any chunks, and the reason for an end is the last thing said."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.embedded.output import Lines, reason_of


@given(st.lists(st.binary(max_size=40)))
def test_lines_do_not_depend_on_how_the_output_was_cut(chunks: list[bytes]) -> None:
    lines = Lines()
    got = [line for chunk in chunks for line in lines.feed(chunk)] + list(lines.rest())
    whole = b"".join(chunks).split(b"\n")
    expected = [line.rstrip(b"\r") for line in whole[:-1]] + ([whole[-1]] if whole[-1] else [])
    assert got == expected


def test_a_line_without_end_does_not_pile_up() -> None:
    lines = Lines()
    pieces = [piece for _ in range(100) for piece in lines.feed(b"x" * 10_000)]
    assert max(map(len, pieces)) <= 16 * 1024
    assert sum(map(len, pieces)) + sum(map(len, lines.rest())) == 1_000_000


@pytest.mark.parametrize(
    ("code", "recent", "reason"),
    [
        (3, ["Traceback …", "ValueError: no such thing", "  "], "exit status 3: ValueError: no such thing"),
        (-9, [], "killed by SIGKILL"),
        (2, ["│ No such command 'x'. │", "╰──────╯"], "exit status 2: No such command 'x'."),
        (-250, ["x" * 1000], "killed by signal 250: " + "x" * 300),
    ],
)
def test_the_reason_is_the_status_and_the_last_words(code: int, recent: list[str], reason: str) -> None:
    assert reason_of(code, recent) == reason
