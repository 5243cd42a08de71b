"""A place in the bytes of the format Native, and how its smallest parts are read from there."""

from __future__ import annotations


class Unwalkable(Exception):
    """The length of these data cannot be told; the text says why."""


class Cursor:
    """A place in bytes. Whatever would go past their end raises Unwalkable."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self.position = 0

    def since(self, start: int) -> bytes:
        return self._data[start : self.position]

    def skip(self, size: int) -> None:
        self.position += size
        if self.position > len(self._data):
            raise Unwalkable("its data end early")

    def take(self, size: int) -> bytes:
        start = self.position
        self.skip(size)
        return self._data[start : self.position]

    def number(self) -> int:
        """An unsigned LEB128."""
        value = shift = 0
        while True:
            byte = self.take(1)[0]
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value

    def fixed(self) -> int:
        return int.from_bytes(self.take(8), "little")

    def text(self) -> str:
        return self.take(self.number()).decode("utf-8", "replace")

    def skip_texts(self, count: int) -> None:
        """The innermost loop: most strings are shorter than 128 bytes, so that their length is one byte."""
        data, at = self._data, self.position
        try:
            for _ in range(count):
                length = data[at]
                at += 1
                if length >= 0x80:
                    length &= 0x7F
                    shift = 7
                    while True:
                        byte = data[at]
                        at += 1
                        length |= (byte & 0x7F) << shift
                        shift += 7
                        if byte < 0x80:
                            break
                at += length
        except IndexError as error:
            raise Unwalkable("its data end early") from error
        self.position = at
        self.skip(0)
