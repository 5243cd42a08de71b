"""Which dead letters are meant, and how many there are of each reason."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from pipeline.cli.letters import Letter, Replays, letters
from pipeline.clock import iso
from pipeline.settings import KafkaSettings
from schemas.codec import Codec
from schemas.position import Position
from schemas.topic import Topic


@dataclass(frozen=True, slots=True)
class Wish:
    """Which letters are meant; times in microseconds since the epoch."""

    reason: str | None = None
    positions: frozenset[Position] = frozenset()
    since: int | None = None
    until: int | None = None

    def holds(self, letter: Letter) -> bool:
        refused = letter.refused
        return (
            self.reason in (None, refused.reason)
            and (not self.positions or bool(self.positions & {refused.position, letter.place}))
            and (self.since is None or refused.refused_at >= self.since)
            and (self.until is None or refused.refused_at < self.until)
        )


class Choice:
    """The letters that are wanted and have not been replayed; iterating reads the log."""

    def __init__(
        self, settings: KafkaSettings, codec: Codec, topics: Sequence[Topic], wish: Wish, replays: Replays | None
    ) -> None:
        self._settings, self._codec, self._topics, self._wish, self._replays = settings, codec, topics, wish, replays
        self.passed_over = 0

    def __iter__(self) -> Iterator[Letter]:
        # A worker that crashed may have refused the same record twice: it is one letter.
        seen: set[Position] = set()
        for letter in letters(self._settings, self._codec, self._topics):
            place = letter.refused.position
            if place in seen or not self._wish.holds(letter):
                continue
            seen.add(place)
            if self._replays is not None and self._replays.stands_at(place) is not None:
                self.passed_over += 1
            else:
                yield letter


@dataclass(slots=True)
class Count:
    """Letters of one topic and reason; times in microseconds since the epoch."""

    topic: str
    reason: str
    letters: int
    replayed: int
    oldest: int
    newest: int
    last: Position

    def as_json(self) -> dict[str, Any]:
        return {
            "topic": self.topic,
            "reason": self.reason,
            "letters": self.letters,
            "replayed": self.replayed,
            "oldest": iso(self.oldest),
            "newest": iso(self.newest),
            "last": str(self.last),
        }


def count(found: Iterable[Letter], replays: Replays) -> list[Count]:
    """By topic and reason, most first."""
    counts: dict[tuple[str, str], Count] = {}
    for letter in found:
        refused, at = letter.refused, letter.refused.refused_at
        held = counts.setdefault(
            (refused.topic, refused.reason), Count(refused.topic, refused.reason, 0, 0, at, at, refused.position)
        )
        held.letters += 1
        held.replayed += replays.stands_at(refused.position) is not None
        held.oldest = min(held.oldest, at)
        if at >= held.newest:
            held.newest, held.last = at, refused.position
    return sorted(counts.values(), key=lambda it: (-it.letters, it.topic, it.reason))
