"""Cursors: read back as written, and nothing else is read."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest_api.live.cursor import MAX_LENGTH, Cursor, CursorRefused, Cursors
from ingest_api.live.layout import Layout, Mark

KEY, OTHER_KEY = b"k" * 32, b"o" * 32
LAYOUT = Layout({"a": 2, "b": 1, "c": 3})
OFFSETS = st.integers(0, (1 << 63) - 1)
VECTORS = st.tuples(*[OFFSETS] * len(LAYOUT.places))
MARKS = st.builds(Mark, VECTORS, st.integers(0, len(LAYOUT.places) - 1), st.integers(0, 10_000))


@given(MARKS)
def test_a_cursor_reads_back_as_the_mark_it_was_written_from(mark: Mark) -> None:
    cursors = Cursors((KEY,), LAYOUT)
    read = cursors.read(cursors.write(mark))
    assert tuple(read.offsets[place] for place in LAYOUT.places) == mark.vector
    assert read.skip == mark.skip
    assert read.half_told == (LAYOUT.places[mark.place] if mark.skip else None)


@given(MARKS, st.data())
def test_no_changed_cursor_is_read(mark: Mark, data: st.DataObject) -> None:
    cursors = Cursors((KEY,), LAYOUT)
    raw = bytearray(_raw(cursors.write(mark)))
    at = data.draw(st.integers(0, len(raw) - 1))
    raw[at] ^= data.draw(st.integers(1, 255))
    with pytest.raises(CursorRefused):
        cursors.read(_text(bytes(raw)))


@given(
    st.one_of(st.text(max_size=200), st.binary(max_size=200).map(lambda raw: base64.urlsafe_b64encode(raw).decode()))
)
def test_no_made_up_text_is_read(text: str) -> None:
    with pytest.raises(CursorRefused):
        Cursors((KEY,), LAYOUT).read(text)


@given(st.binary(max_size=100))
def test_a_signed_payload_of_any_bytes_is_read_or_refused(payload: bytes) -> None:
    """A replica of another version may sign what this one does not understand."""
    cursors = Cursors((KEY,), LAYOUT)
    body = b"\x01" + payload
    try:
        read = cursors.read(_text(body + cursors._mac(KEY, body)))
    except CursorRefused:
        return
    assert set(read.offsets) <= set(LAYOUT.places)


def test_a_cursor_under_an_older_key_is_read_and_under_an_unknown_one_is_not() -> None:
    mark = Mark((1, 2, 3, 4, 5, 6))
    written = Cursors((KEY,), LAYOUT).write(mark)
    assert Cursors((OTHER_KEY, KEY), LAYOUT).read(written).offsets["c", 2] == 6
    with pytest.raises(CursorRefused, match="not issued here"):
        Cursors((OTHER_KEY,), LAYOUT).read(written)


def test_a_cursor_outlives_a_change_of_the_watched_topics() -> None:
    written = Cursors((KEY,), LAYOUT).write(Mark((1, 2, 3, 4, 5, 6), place=2, skip=7))
    later = Cursors((KEY,), Layout({"new": 1, "c": 3, "a": 3}))
    assert later.read(written) == Cursor({("a", 0): 1, ("a", 1): 2, ("c", 0): 4, ("c", 1): 5, ("c", 2): 6})


def test_an_endless_cursor_is_refused_before_it_is_decoded() -> None:
    with pytest.raises(CursorRefused, match="at most"):
        Cursors((KEY,), LAYOUT).read("A" * (MAX_LENGTH + 1))


def _raw(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def _text(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
