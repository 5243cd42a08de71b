"""Which topics are told live, under which names, and how their records become messages."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from ingest_api.live.message import Message
from schemas.event import Event
from schemas.topic import Topic


@dataclass(frozen=True)
class Watch:
    """One watched topic.

    `kind` is its name in `topics=`; `permission` what a subscriber needs. `messages` gives what a record tells,
    always the same for the same record; `source` where the record came from, as a number that only grows for one
    key: a record that is not newer than the last of its key repeats or trails it, and is not told.
    `gone` gives what a tombstone of a key tells at a time; `snapshot` what a record tells to one who has seen nothing.
    """

    kind: str
    topic: Topic
    permission: str
    messages: Callable[[Any], Sequence[Message]]
    source: Callable[[Any], tuple[int, int]]
    gone: Callable[[str, int], Sequence[Message]] | None = None
    snapshot: Callable[[Any], Sequence[Message]] | None = None

    @property
    def record(self) -> type[Event]:
        return self.topic.record
