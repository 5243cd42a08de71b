"""A message's bytes on the wire, which are the same for every subscriber."""

from __future__ import annotations

from enum import Enum, auto


class Wire(Enum):
    """What a message travels in."""

    CHUNK = auto()
    """Server-sent events in the chunks of an HTTP/1.1 response."""
    FRAME = auto()
    """WebSocket text frames."""


def chunk(body: bytes) -> bytes:
    """One chunk of a chunked body (RFC 9112, 7.1). An empty one would end the body."""
    if not body:
        raise ValueError("a chunk has at least one byte")
    return b"%x\r\n%b\r\n" % (len(body), body)


def text_frame(payload: bytes) -> bytes:
    """A whole text message as one frame from a server: final, unmasked, not compressed (RFC 6455, 5.2)."""
    size = len(payload)
    if size < 126:
        return b"\x81%c%b" % (size, payload)
    if size < 65_536:
        return b"\x81\x7e%b%b" % (size.to_bytes(2, "big"), payload)
    return b"\x81\x7f%b%b" % (size.to_bytes(8, "big"), payload)
