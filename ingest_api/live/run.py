"""What is published at once to many: its bytes are put together once, whoever gets them."""

from __future__ import annotations

from collections.abc import Sequence

from ingest_api.live.framing import Wire
from ingest_api.live.message import Frame

PIECE = 64 * 1024
"""Bytes of messages after which a piece ends: as much as a connection buffers before its client counts as slow."""
Piece = tuple[bytes, int]
"""Bytes to be written at once, and the index behind its last frame."""


class Run:
    """Frames one after the other, for all who have the same interests."""

    def __init__(self, frames: Sequence[Frame]) -> None:
        self.frames = frames
        self._pieces: dict[Wire, Sequence[Piece]] = {}

    def pieces(self, wire: Wire) -> Sequence[Piece]:
        """Each frame stands in one piece; a piece is at most PIECE bytes over by its last."""
        made = self._pieces.get(wire)
        if made is None:
            made = self._pieces[wire] = self._cut(wire)
        return made

    def _cut(self, wire: Wire) -> Sequence[Piece]:
        pieces: list[Piece] = []
        held: list[bytes] = []
        size = 0
        for end, frame in enumerate(self.frames, 1):
            held.append(frame.outgoing.on(wire))
            size += len(held[-1])
            if size >= PIECE or end == len(self.frames):
                pieces.append((b"".join(held), end))
                held, size = [], 0
        return pieces
