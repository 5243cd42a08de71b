"""Many subscribers in one process, which costs so little that the server is what bounds them.

Who fans out sends the same bytes to all: each piece is parsed once, then known again by its bytes.
"""

from __future__ import annotations

import multiprocessing
import os
import re
import select
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from multiprocessing.connection import Connection

MARK = re.compile(rb'"total_points_processed":(\d+),"outliers_detected":(\d+)')
"""In each message: when it was sent, in microseconds since the epoch, and its number."""
_READ = 256 * 1024
_KNOWN = 4096
_LONGEST = 20_000  # milliseconds; later deliveries are counted as this late
_PONG = 0x0A


class Form(StrEnum):
    WEBSOCKET = "WebSocket"
    SSE = "SSE"


@dataclass(frozen=True)
class Call:
    """How each of `count` listeners is connected: `request` is sent, then `hello` once it was answered."""

    host: str
    port: int
    form: Form
    count: int
    request: bytes
    hello: bytes = b""


@dataclass
class Heard:
    """What was heard since the last `begin`. `delays[ms]` counts the deliveries that took so long."""

    deliveries: int = 0
    lost: int = 0
    """Messages whose number a listener never saw, between the first and the last it saw."""
    gaps: int = 0
    """Losses that the server told of."""
    closed: int = 0
    behind: int = 0
    """Listeners that have not seen the newest message that any has seen."""
    reads: int = 0
    processor: float = 0.0
    """Processor seconds of the listening process."""
    delays: list[int] = field(default_factory=lambda: [0] * (_LONGEST + 1))

    def percentile(self, share: float) -> float:
        """In milliseconds."""
        rest = self.deliveries * share
        for milliseconds, count in enumerate(self.delays):
            rest -= count
            if rest <= 0:
                return float(milliseconds)
        return float(_LONGEST)


@dataclass(frozen=True, slots=True)
class Piece:
    """What a read held: numbers of its first and last message, how many, when they were sent, what is left over."""

    first: int
    last: int
    sent: tuple[int, ...]
    gaps: int
    pings: tuple[bytes, ...]
    rest: bytes


class Listeners:
    """`begin` forgets what was heard, `heard` tells it."""

    def __init__(self, ear: Connection) -> None:
        self._ear = ear

    def begin(self) -> None:
        self._ear.send("begin")
        self._ear.recv()

    def heard(self) -> Heard:
        self._ear.send("heard")
        heard: Heard = self._ear.recv()
        return heard


@contextmanager
def listening(call: Call) -> Iterator[Listeners]:
    """All are connected and greeted inside."""
    spawn = multiprocessing.get_context("spawn")
    ours, theirs = spawn.Pipe()
    process = spawn.Process(target=_listen, args=(theirs, call), daemon=True)
    process.start()
    theirs.close()
    try:
        if not ours.poll(120):
            raise TimeoutError("the listeners were not connected within 120 s")
        ours.recv()
        yield Listeners(ours)
    finally:
        process.terminate()
        process.join(10)


def _listen(control: Connection, call: Call) -> None:
    """The process."""
    crowd = _Crowd(call)
    crowd.connect()
    control.send("connected")
    while True:
        crowd.turn(0.05)
        while control.poll():
            if control.recv() == "begin":
                crowd.begin()
                control.send("begun")
            else:
                control.send(crowd.told())


class _Crowd:
    """The connections, and what they have heard."""

    def __init__(self, call: Call) -> None:
        self._call = call
        self._parse = _frames if call.form is Form.WEBSOCKET else _events
        self._poll = select.epoll()
        self._sockets: dict[int, socket.socket] = {}
        self._rest: dict[int, bytes] = {}
        self._last: dict[int, int] = {}
        self._known: dict[bytes, Piece] = {}
        self.begin()

    def connect(self) -> None:
        for _ in range(self._call.count):
            made = socket.create_connection((self._call.host, self._call.port), timeout=30)
            made.sendall(self._call.request)
            answer = b""
            while b"\r\n\r\n" not in answer:
                answer += made.recv(_READ) or _refused(answer)
            if not answer.startswith((b"HTTP/1.1 200", b"HTTP/1.1 101")):
                _refused(answer)
            made.sendall(self._call.hello)
            made.setblocking(False)
            number = made.fileno()
            self._sockets[number] = made
            self._rest[number] = answer.partition(b"\r\n\r\n")[2]
            self._last[number] = 0
            self._poll.register(number, select.EPOLLIN)

    def begin(self) -> None:
        self._heard = Heard()
        self._begun = time.process_time()

    def told(self) -> Heard:
        heard = self._heard
        heard.processor = time.process_time() - self._begun
        newest = max(self._last.values(), default=0)
        heard.behind = sum(last < newest for last in self._last.values())
        return heard

    def turn(self, timeout: float) -> None:
        for number, _ in self._poll.poll(timeout, 1024):
            try:
                data = os.read(number, _READ)
            except BlockingIOError:
                continue
            except ConnectionResetError:
                data = b""
            if data:
                self._take(number, data)
            else:
                self._close(number)

    def _take(self, number: int, data: bytes) -> None:
        self._heard.reads += 1
        if rest := self._rest[number]:
            data = rest + data
        piece = self._known.get(data)
        if piece is None:
            if len(self._known) >= _KNOWN:
                self._known.clear()
            piece = self._known[data] = self._parse(data)
        self._rest[number] = piece.rest
        if piece.sent:
            self._count(number, piece)
        self._heard.gaps += piece.gaps
        for ping in piece.pings:
            os.write(number, masked(_PONG, ping))

    def _count(self, number: int, piece: Piece) -> None:
        heard, last = self._heard, self._last[number]
        if last:
            heard.lost += piece.last - last - len(piece.sent)
        self._last[number] = piece.last
        heard.deliveries += len(piece.sent)
        now = time.time_ns() // 1000
        for sent in piece.sent:
            heard.delays[min(max(now - sent, 0) // 1000, _LONGEST)] += 1

    def _close(self, number: int) -> None:
        self._heard.closed += 1
        self._poll.unregister(number)
        self._sockets.pop(number).close()
        del self._last[number]


def masked(opcode: int, payload: bytes) -> bytes:
    """A client's frame of up to 65535 bytes (RFC 6455, 5.2). The mask is zero: nobody between would be fooled."""
    size = bytes((0x80 | len(payload),)) if len(payload) < 126 else b"\xfe" + len(payload).to_bytes(2, "big")
    return bytes((0x80 | opcode,)) + size + bytes(4) + payload


def _frames(data: bytes) -> Piece:
    """Of a server's unmasked WebSocket frames."""
    at, texts, pings = 0, [], []
    while len(data) - at >= 2:
        size, head = data[at + 1] & 0x7F, 2
        if size >= 126:
            width = 2 if size == 126 else 8
            head += width
            size = int.from_bytes(data[at + 2 : at + head], "big")
        if len(data) - at < head + size:
            break
        payload = data[at + head : at + head + size]
        opcode = data[at] & 0x0F
        if opcode == 1:
            texts.append(payload)
        elif opcode == 9:
            pings.append(payload)
        at += head + size
    return _piece(texts, tuple(pings), data[at:])


def _events(data: bytes) -> Piece:
    """Of an event stream. The sizes of chunks stand on lines of their own and are read over."""
    *events, rest = data.split(b"\n\n")
    return _piece(events, (), rest)


def _piece(messages: list[bytes], pings: tuple[bytes, ...], rest: bytes) -> Piece:
    marks = [tuple(map(int, mark)) for message in messages for mark in MARK.findall(message)]
    gaps = sum(b'"type":"gap"' in message for message in messages)
    if not marks:
        return Piece(0, 0, (), gaps, pings, rest)
    return Piece(marks[0][1], marks[-1][1], tuple(sent for sent, _ in marks), gaps, pings, rest)


def _refused(answer: bytes) -> bytes:
    raise ConnectionError(f"a listener was not let in: {answer[:300].decode('latin-1')}")
