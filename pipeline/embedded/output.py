"""What a part prints, taken apart: its lines, and from the last of them the reason why it ended."""

from __future__ import annotations

import signal
from collections.abc import Iterator, Sequence

_LONGEST = 16 * 1024
_REASON_CHARACTERS = 300
_FRAME = " \t│|"


class Lines:
    """Cuts chunks into lines, without their ends. A line longer than 16 KiB comes in pieces."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        *whole, self._rest = (self._rest + chunk).split(b"\n")
        yield from (line.rstrip(b"\r") for line in whole)
        while len(self._rest) > _LONGEST:
            yield self._rest[:_LONGEST]
            self._rest = self._rest[_LONGEST:]

    def rest(self) -> Iterator[bytes]:
        """The last line, when it has no end."""
        if self._rest:
            yield self._rest
            self._rest = b""


def reason_of(code: int, recent: Sequence[str]) -> str:
    """One line: how a process ended, and its last words. A negative code is the signal that ended it."""
    how = f"killed by {_signal_name(-code)}" if code < 0 else f"exit status {code}"
    said = next((line.strip(_FRAME) for line in reversed(recent) if any(map(str.isalnum, line))), "")
    return f"{how}: {said[:_REASON_CHARACTERS]}" if said else how


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
