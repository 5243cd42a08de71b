"""What subscribers are told, and its bytes: each message is encoded once and shared by all who get it."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Any

from ingest_api.json import encode
from ingest_api.live.cursor import Cursors
from ingest_api.live.framing import Wire, chunk, text_frame
from ingest_api.live.layout import Mark, Vector, advanced
from pipeline.clock import iso


@dataclass(frozen=True, slots=True)
class Message:
    """One thing to tell about a stream.

    Messages of the same `key` tell the same thing at different times: under conflation the newest stands for all.
    One without a key is a fact of its own. `ends_stream` says that nothing told of the stream before holds any more.
    """

    type: str
    stream: str
    at: int
    data: Mapping[str, Any]
    key: Hashable | None = None
    ends_stream: bool = False

    def body(self) -> bytes:
        """`{"type": ..., "data": {...}, "timestamp": ...}` on one line."""
        return encode({"type": self.type, "data": self.data, "timestamp": iso(self.at)})


class Outgoing:
    """One event as it leaves: what it is on each wire is made when first asked for, then kept.

    `cursor` is where a subscriber stands that has this event and all before it; None where it says nothing of that.
    """

    __slots__ = ("_chunk", "_frame", "body", "cursor", "retry", "type")

    def __init__(self, type: str, body: bytes, cursor: str | None = None, retry: int | None = None) -> None:
        self.type, self.body, self.cursor, self.retry = type, body, cursor, retry
        self._chunk: bytes | None = None
        self._frame: bytes | None = None

    @classmethod
    def of(
        cls, type: str, data: Mapping[str, Any], at: int, *, cursor: str | None = None, retry: int | None = None
    ) -> Outgoing:
        """An event about the connection itself. `retry` is in milliseconds."""
        return cls(type, encode({"type": type, "data": data, "timestamp": iso(at)}), cursor, retry)

    @property
    def sse(self) -> bytes:
        """An event of an event stream (WHATWG HTML, 9.2.5)."""
        return self.sse_with(self.cursor)

    def sse_with(self, event_id: str | None) -> bytes:
        """The same with an id of one's own."""
        lines = [b"event: ", self.type.encode()]
        if event_id is not None:
            lines += b"\nid: ", event_id.encode()
        if self.retry is not None:
            lines += b"\nretry: ", str(self.retry).encode()
        return b"".join((*lines, b"\ndata: ", self.body, b"\n\n"))

    @property
    def text(self) -> bytes:
        """The body, with the cursor in it, as a WebSocket message tells it."""
        return self.body if self.cursor is None else b'%b,"cursor":"%b"}' % (self.body[:-1], self.cursor.encode())

    def on(self, wire: Wire) -> bytes:
        """Ready to be written."""
        if wire is Wire.CHUNK:
            if self._chunk is None:
                self._chunk = chunk(self.sse)
            return self._chunk
        if self._frame is None:
            self._frame = text_frame(self.text)
        return self._frame


class Frame:
    """A message and its place: the `index`th of `count` that the record at `place` and `offset` gave.

    `vector` is where the feed stands once the whole record has been told.
    """

    __slots__ = ("_cursors", "_outgoing", "body", "count", "index", "kind", "message", "offset", "place", "vector")

    def __init__(
        self,
        cursors: Cursors,
        kind: str,
        message: Message,
        *,
        vector: Vector,
        place: int,
        offset: int,
        index: int,
        count: int,
    ) -> None:
        self._cursors, self.kind, self.message = cursors, kind, message
        self.vector, self.place, self.offset, self.index, self.count = vector, place, offset, index, count
        self.body = message.body()
        self._outgoing: Outgoing | None = None

    @property
    def before(self) -> Mark:
        """Where one stands who has everything before this message."""
        return Mark(advanced(self.vector, self.place, self.offset), self.place, self.index)

    @property
    def after(self) -> Mark:
        """Where one stands who has this message too."""
        if self.index + 1 == self.count:
            return Mark(self.vector)
        return Mark(advanced(self.vector, self.place, self.offset), self.place, self.index + 1)

    @property
    def outgoing(self) -> Outgoing:
        if self._outgoing is None:
            self._outgoing = Outgoing(self.message.type, self.body, self._cursors.write(self.after))
        return self._outgoing

    def outgoing_as_of(self, earlier: Frame) -> Outgoing:
        """This message in the queue place of an earlier one: its cursor must not claim what came between."""
        return Outgoing(self.message.type, self.body, earlier.outgoing.cursor)

    def cursor_before(self) -> str:
        return self._cursors.write(self.before)
