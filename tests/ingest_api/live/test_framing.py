"""Bytes made once for all are those that a library would have made for each."""

from __future__ import annotations

import httptools
import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.frames import Frame, Opcode

from ingest_api.live.framing import chunk, text_frame

SIZES = st.one_of(st.integers(0, 300), st.sampled_from([125, 126, 127, 65_535, 65_536, 70_000]))


@given(SIZES)
def test_a_text_frame_is_what_the_library_writes(size: int) -> None:
    payload = b"x" * size
    assert text_frame(payload) == Frame(Opcode.TEXT, payload).serialize(mask=False)


@given(st.lists(st.binary(min_size=1, max_size=300), max_size=10))
def test_chunks_are_read_back_as_the_body_they_carry(parts: list[bytes]) -> None:
    class Reader:
        body = b""

        def on_body(self, body: bytes) -> None:
            self.body += body

    reader = Reader()
    parser = httptools.HttpResponseParser(reader)
    parser.feed_data(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"".join(map(chunk, parts)))
    assert reader.body == b"".join(parts)


def test_there_is_no_empty_chunk_for_it_would_end_the_body() -> None:
    with pytest.raises(ValueError, match="at least one byte"):
        chunk(b"")
