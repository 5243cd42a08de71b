"""Dead letters as they lie in the log, and which of them have been replayed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from pipeline.errors import Misconfigured
from pipeline.kafka.browse import at, ends, stretch
from pipeline.settings import KafkaSettings
from schemas.catalogue import TOPICS
from schemas.codec import Codec, Undecodable
from schemas.exchange import REPLAYED, REPLAYED_FROM_HEADER, Refused, Replayed
from schemas.position import Position
from schemas.topic import Topic

INPUTS = tuple(topic for topic in TOPICS if topic.dead_letters)


@dataclass(frozen=True, slots=True)
class Letter:
    """A refused record; `place` is where the letter stands, `refused.position` where the record stood."""

    place: Position
    refused: Refused


def inputs_named(name: str | None) -> tuple[Topic, ...]:
    """The topic of that name, or whose dead letters have that name; all that have dead letters without one. Raises
    Misconfigured."""
    found = tuple(topic for topic in INPUTS if name in (None, topic.name, topic.refused))
    if not found:
        raise Misconfigured(f"{name} has no dead letters; {', '.join(topic.name for topic in INPUTS)} has")
    return found


def letters(settings: KafkaSettings, codec: Codec, topics: Iterable[Topic]) -> Iterator[Letter]:
    """Every letter there is now, each partition in order. Raises LogUnavailable. What is no letter is passed over."""
    for topic in topics:
        for record in stretch(settings, topic.refused):
            if record.value is None:
                continue
            try:
                yield Letter(record.position, codec.decode(record.value, Refused))
            except Undecodable:
                continue


def find(settings: KafkaSettings, codec: Codec, position: Position) -> Letter:
    """By the refused record's position, or the letter's own. Raises Misconfigured where there is none."""
    for topic in INPUTS:
        if position.topic == topic.refused:
            record = at(settings, position)
            if record is not None and record.value is not None:
                return Letter(record.position, codec.decode(record.value, Refused))
        elif position.topic == topic.name:
            for letter in letters(settings, codec, [topic]):
                if letter.refused.position == position:
                    return letter
    raise Misconfigured(f"no dead letter of {position}: `thalweg dlq list` shows what there is")


class Replays:
    """What letters.replayed.v1 tells: letters whose new place is known, and letters that were begun and may have been
    sent or not, because whoever replayed them was stopped."""

    def __init__(self, settings: KafkaSettings, codec: Codec) -> None:
        """Raises LogUnavailable."""
        self._settings = settings
        self._done: dict[Position, Position] = {}
        self._begun: dict[Position, Replayed] = {}
        self._found: dict[str, Mapping[str, Position]] = {}
        for record in stretch(settings, REPLAYED.name):
            if record.value is not None:
                self._note(codec.decode(record.value, Replayed))

    def stands_at(self, position: Position) -> Position | None:
        """Where a refused record stands now, if it has been replayed. Raises LogUnavailable; Misconfigured where that
        cannot be told any more, since the topic no longer holds the place where it would stand."""
        if position in self._done or position not in self._begun:
            return self._done.get(position)
        if position.topic not in self._found:
            self._found[position.topic] = self._search(position.topic)
        return self._found[position.topic].get(str(position))

    def _note(self, told: Replayed) -> None:
        if told.stands_at is None:
            self._begun.setdefault(told.position, told)
        else:
            self._done[told.position] = told.stands_at

    def _search(self, topic: str) -> Mapping[str, Position]:
        """The topic, from where the earliest doubtful letter may stand, by the header that a replay leaves."""
        doubtful = [told for place, told in self._begun.items() if place.topic == topic and place not in self._done]
        starts = {
            partition: min(told.ends[partition] for told in doubtful)
            for partition in range(min(len(told.ends) for told in doubtful))
        }
        for partition, mark in ends(self._settings, topic).items():
            if starts.get(partition, mark.low) < mark.low:
                raise Misconfigured(
                    f"{len(doubtful)} letters of {topic} were being replayed when that was stopped, and the topic no "
                    "longer holds that stretch: whether they were sent cannot be told. --again sends them"
                )
        return {
            record.headers[REPLAYED_FROM_HEADER].decode("utf-8", "replace"): record.position
            for record in stretch(self._settings, topic, starts)
            if REPLAYED_FROM_HEADER in record.headers
        }
