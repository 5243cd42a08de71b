"""A position reads back from its own text, and from nothing else."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.position import Position

topics = st.from_regex(r"[a-z][a-z0-9._-]{0,30}", fullmatch=True)


@given(topic=topics, partition=st.integers(0, 2**31 - 1), offset=st.integers(0, 2**62))
def test_a_position_reads_back(topic: str, partition: int, offset: int) -> None:
    position = Position(topic, partition, offset)
    assert Position.parse(str(position)) == position


@pytest.mark.parametrize("text", ["", "a", "a-1", "a-b-c", "a-1-", "a b-1-2", "a-1-2 ", "-1-2", "a-1-2\n"])
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a position"):
        Position.parse(text)


def test_positions_of_a_partition_are_ordered() -> None:
    assert Position("t", 0, 9) < Position("t", 0, 10) < Position("t", 1, 0)
