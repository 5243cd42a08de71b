"""A command that has been decided is known, for as long as a copy of it would be taken, in bounded memory."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.entities import repeats
from pipeline.entities.repeats import Page, Repeats

LIFETIME = 1000


def digest(number: int) -> bytes:
    return b"%016d" % number


def noted(known: Repeats, numbers: Sequence[int], *, each: int = 1) -> None:
    """Commands decided one after the other, each made just before the log took it."""
    for number in numbers:
        known.note(number, digest(number), number * each, number * each)


def refused(known: Repeats, offset: int, number: int, made_at: int) -> bool:
    return known.knows(offset, digest(number)) or known.may_have_forgotten(offset, made_at)


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("PAGE", 4), ("KEPT", 3), ("SLOTS", 6)):
        monkeypatch.setattr(repeats, name, value)


def test_a_copy_is_known_and_the_command_itself_decided_again_is_not_one() -> None:
    known = Repeats(LIFETIME)
    noted(known, range(5))
    assert known.knows(9, digest(3))
    assert not known.knows(3, digest(3))
    assert not known.knows(9, digest(8))


@pytest.mark.usefixtures("small")
def test_what_is_forgotten_because_there_is_too_much_is_refused_all_the_same() -> None:
    known = Repeats(LIFETIME)
    noted(known, range(100))
    assert len(known) <= repeats.PAGE * repeats.KEPT
    assert all(refused(known, 100, number, number) for number in range(100))
    assert not refused(known, 100, 100, 100)


@pytest.mark.usefixtures("small")
def test_what_is_too_old_to_be_taken_is_forgotten() -> None:
    known = Repeats(LIFETIME)
    noted(known, range(9), each=LIFETIME)
    assert len(known) <= 2 * repeats.PAGE


@given(count=st.integers(1, 120), crash=st.integers(0, 119), undone=st.integers(0, 8))
def test_whoever_goes_on_after_a_crash_knows_what_was_known_before(count: int, crash: int, undone: int) -> None:
    """The changelog may have more than was made durable of what came of it, and those are decided again."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in (("PAGE", 4), ("KEPT", 3), ("SLOTS", 6)):
            patch.setattr(repeats, name, value)
        crash = min(crash, count)
        whole, first, slots = Repeats(LIFETIME), Repeats(LIFETIME), dict[int, bytes]()
        noted(whole, range(count))
        for number in range(crash):
            noted(first, [number])
            slots |= {page.slot: page.encode() for page in first.changes()}
        second = Repeats(LIFETIME, map(Page.decode, slots.values()))
        noted(second, range(max(0, crash - undone), count))
        for number in range(count):
            assert refused(second, count, number, number) == refused(whole, count, number, number) is True
        assert refused(second, count, count, count) == refused(whole, count, count, count) is False


@pytest.mark.parametrize("body", [b"", b"short", Page(0, 0, 1, [(1, digest(1))]).encode()[:-1], Page(0, 0, 0).encode()])
def test_what_is_no_page_is_told(body: bytes) -> None:
    with pytest.raises(ValueError, match="page"):
        Page.decode(body)
