"""Which source records have been stored: a set of whole numbers, kept as intervals."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator


class Seen:
    """A set of non-negative numbers that mostly come in runs. `add` is O(1) for the number after the greatest.

    Bounded: with more than `limit` intervals the older half is forgotten into a floor, below which every number
    counts as seen. Nothing is ever taken for new that was added; what is new but below the floor is taken for seen.
    """

    def __init__(self, intervals: Iterable[tuple[int, int]] = (), *, floor: int = 0, limit: int = 65_536) -> None:
        """`intervals` are (first, last), ascending and apart."""
        self._first: list[int] = []
        self._last: list[int] = []
        for first, last in intervals:
            self._first.append(first)
            self._last.append(last)
        self._floor, self._limit = floor, limit
        self._shrink()

    @property
    def floor(self) -> int:
        return self._floor

    def __iter__(self) -> Iterator[tuple[int, int]]:
        return zip(self._first, self._last, strict=True)

    def __contains__(self, number: int) -> bool:
        place = bisect_right(self._first, number) - 1
        return number < self._floor or (place >= 0 and number <= self._last[place])

    def add(self, number: int) -> bool:
        """True when the number is new."""
        if self._last and number == self._last[-1] + 1:
            self._last[-1] = number
            return True
        if number in self:
            return False
        self._insert(bisect_right(self._first, number), number)
        self._shrink()
        return True

    def _insert(self, place: int, number: int) -> None:
        """Before the interval at `place`, joined with its neighbours where they touch."""
        joins_left = place > 0 and self._last[place - 1] == number - 1
        joins_right = place < len(self._first) and self._first[place] == number + 1
        if joins_left and joins_right:
            self._last[place - 1] = self._last[place]
            del self._first[place], self._last[place]
        elif joins_left:
            self._last[place - 1] = number
        elif joins_right:
            self._first[place] = number
        else:
            self._first.insert(place, number)
            self._last.insert(place, number)

    def _shrink(self) -> None:
        if len(self._first) > self._limit:
            gone = len(self._first) - self._limit // 2
            self._floor = max(self._floor, self._last[gone - 1] + 1)
            del self._first[:gone], self._last[:gone]
