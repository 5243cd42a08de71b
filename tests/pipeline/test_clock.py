"""Times as text: exact, in UTC, and never an exception for what a producer made up."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.clock import iso, now


@pytest.mark.parametrize(
    ("at", "said"),
    [
        (0, "1970-01-01T00:00:00.000Z"),
        (1_736_937_000_000_000, "2025-01-15T10:30:00.000Z"),
        (1_736_937_000_000_999, "2025-01-15T10:30:00.000Z"),
        (-1, "1969-12-31T23:59:59.999Z"),
        (2**62, "9999-12-31T23:59:59.999Z"),
        (-(2**62), "0001-01-01T00:00:00.000Z"),
    ],
)
def test_a_time_is_said_in_rfc_3339(at: int, said: str) -> None:
    assert iso(at) == said


@given(st.integers(-(10**15), 10**16))
def test_it_reads_back_to_the_millisecond(at: int) -> None:
    read = datetime.fromisoformat(iso(at))
    assert (read - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1) == at // 1000


def test_now_is_in_microseconds() -> None:
    assert datetime(2024, 1, 1, tzinfo=UTC) < datetime.fromisoformat(iso(now())) < datetime(2200, 1, 1, tzinfo=UTC)
