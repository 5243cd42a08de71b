"""Knowing a record that has been told before: a worker that crashed, or was thought dead, says things twice."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping

Source = tuple[int, int]
Key = tuple[str, int, bytes | None]
"""(topic, partition, key of the record)."""


class Repeats:
    """The greatest source position told of each key; at most `capacity` keys, those longest silent are forgotten.

    A worker begins at or before the first input whose output is not in the log, and its outputs follow their inputs'
    order. So in each output partition every output stands for the first time behind all that its key's inputs gave
    before it, also while two workers write at once: whatever is not beyond the greatest is a repeat, or older state.
    """

    def __init__(self, capacity: int = 65_536) -> None:
        self._capacity = capacity
        self._told: OrderedDict[Key, Source] = OrderedDict()
        self.passed_over = 0

    def __len__(self) -> int:
        return len(self._told)

    def is_new(self, key: Key, source: Source) -> bool:
        """Whether the record is beyond all of its key so far; if so, it is noted."""
        told = self._told.get(key)
        if told is not None and source <= told:
            self.passed_over += 1
            return False
        self._told[key] = source
        self._told.move_to_end(key)
        if len(self._told) > self._capacity:
            self._told.popitem(last=False)
        return True

    def forget(self, key: Key) -> None:
        """After a tombstone that does not name its source: its repetition cannot be told from a second one, so what
        followed it must be told again."""
        self._told.pop(key, None)

    def all(self) -> Mapping[Key, Source]:
        return self._told
