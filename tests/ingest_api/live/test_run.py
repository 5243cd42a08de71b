"""What is published at once is cut into pieces, none of which tears a message."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from ingest_api.live.framing import Wire
from ingest_api.live.message import Frame, Message
from ingest_api.live.run import PIECE, Run
from tests.ingest_api.live.records import CURSORS, LAYOUT

SIZES = st.lists(st.sampled_from([1, 500, PIECE // 2, PIECE, 2 * PIECE]), min_size=1, max_size=12)


def frame_of(offset: int, size: int) -> Frame:
    vector = tuple(offset + 1 if place == 0 else 0 for place in range(len(LAYOUT.places)))
    message = Message("note", "s", 0, {"filler": "x" * size})
    return Frame(CURSORS, "clusters", message, vector=vector, place=0, offset=offset, index=0, count=1)


@given(SIZES, st.sampled_from(Wire))
def test_the_pieces_are_the_messages_in_order(sizes: list[int], wire: Wire) -> None:
    frames = [frame_of(offset, size) for offset, size in enumerate(sizes)]
    begin = 0
    for piece, end in Run(frames).pieces(wire):
        assert piece == b"".join(frame.outgoing.on(wire) for frame in frames[begin:end])
        assert len(piece) - len(frames[end - 1].outgoing.on(wire)) < PIECE
        begin = end
    assert begin == len(frames)


def test_who_shares_a_wire_shares_the_bytes() -> None:
    run = Run([frame_of(0, 1), frame_of(1, 1)])
    assert run.pieces(Wire.FRAME) is run.pieces(Wire.FRAME)
    assert run.pieces(Wire.FRAME) != run.pieces(Wire.CHUNK)
