"""Bodies in any coding come out whole, however many frames they are and however they are cut; bombs do not."""

from __future__ import annotations

import contextlib
import gzip
import zlib
from collections.abc import Callable

import lz4.frame
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from pipeline.embedded.warehouse.compression import CODINGS, choose, decoded, encoder
from pipeline.embedded.warehouse.errors import WarehouseError

COMPRESS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "deflate": zlib.compress,
    "lz4": lz4.frame.compress,
    "zstd": zstandard.ZstdCompressor().compress,
}
LIMIT = 1 << 22


@given(
    coding=st.sampled_from(CODINGS),
    frames=st.lists(st.binary(max_size=2000), min_size=1, max_size=5),
    cut=st.integers(1, 700),
)
def test_a_body_of_several_frames_is_read_whole(coding: str, frames: list[bytes], cut: int) -> None:
    body = b"".join(COMPRESS[coding](frame) for frame in frames)
    pieces = [body[start : start + cut] for start in range(0, len(body), cut)]
    assert b"".join(decoded(coding, pieces, LIMIT)) == b"".join(frames)


@pytest.mark.parametrize("coding", CODINGS)
def test_frames_larger_than_a_piece_are_read_whole(coding: str) -> None:
    frame = bytes(range(256)) * 12_000
    assert b"".join(decoded(coding, [COMPRESS[coding](frame)], LIMIT)) == frame


@pytest.mark.parametrize("coding", CODINGS)
def test_a_bomb_is_refused_before_it_fills_memory(coding: str) -> None:
    bomb = COMPRESS[coding](bytes(64 << 20))
    seen: list[int] = []
    with pytest.raises(WarehouseError) as caught:
        seen.extend(len(piece) for piece in decoded(coding, [bomb], LIMIT))
    assert caught.value.status == 413
    assert sum(seen) <= LIMIT


@pytest.mark.parametrize("coding", CODINGS)
def test_a_cut_body_is_refused(coding: str) -> None:
    body = COMPRESS[coding](bytes(range(256)) * 100)[:-5]
    with pytest.raises(WarehouseError):
        list(decoded(coding, [body], LIMIT))


@given(st.sampled_from(CODINGS), st.binary(min_size=1, max_size=300))
def test_noise_is_refused_or_read_and_raises_nothing_else(coding: str, body: bytes) -> None:
    with contextlib.suppress(WarehouseError):
        list(decoded(coding, [body], LIMIT))


def test_an_unknown_coding_is_named() -> None:
    with pytest.raises(WarehouseError, match="'br'"):
        decoded("br", [b""], LIMIT)


@given(st.sampled_from(CODINGS), st.lists(st.binary(max_size=5000), max_size=5))
def test_an_answer_comes_back_as_it_was(coding: str, pieces: list[bytes]) -> None:
    coder = encoder(coding)
    body = b"".join(coder.encode(piece) for piece in pieces) + coder.finish()
    assert b"".join(decoded(coding, [body], LIMIT)) == b"".join(pieces)


@pytest.mark.parametrize(
    ("accepted", "chosen"),
    [("", None), ("gzip", "gzip"), ("br, gzip;q=0.5", "gzip"), ("lz4, zstd", "lz4"), ("lz4;q=0, zstd", "zstd")],
)
def test_a_coding_is_chosen_among_those_accepted(accepted: str, chosen: str | None) -> None:
    assert choose(accepted) == chosen
