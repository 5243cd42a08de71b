"""Where a record stands in the log: receipt, cursor, dedupe token and dead-letter key in one."""

from __future__ import annotations

import re
from dataclasses import dataclass

_TEXT = re.compile(r"(?P<topic>[A-Za-z0-9._-]{1,249})-(?P<partition>\d{1,10})-(?P<offset>\d{1,19})")


@dataclass(frozen=True, slots=True, order=True)
class Position:
    """One record's place. `str(position)` is `topic-partition-offset`; `Position.parse` reads it back."""

    topic: str
    partition: int
    offset: int

    def __str__(self) -> str:
        return f"{self.topic}-{self.partition}-{self.offset}"

    @classmethod
    def parse(cls, text: str) -> Position:
        """Raises ValueError, naming the form, for anything `str(position)` could not have written."""
        match = _TEXT.fullmatch(text)
        if match is None:
            raise ValueError(f"not a position: {text[:80]!r}; the form is topic-partition-offset")
        return cls(match["topic"], int(match["partition"]), int(match["offset"]))
