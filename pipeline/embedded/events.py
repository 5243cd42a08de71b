"""What a supervisor tells whoever watches it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Starting:
    part: str


@dataclass(frozen=True, slots=True)
class Progress:
    """A part that is not ready yet says what it is doing."""

    part: str
    text: str


@dataclass(frozen=True, slots=True)
class Ready:
    """`url` is None for a step that is done rather than a part that serves."""

    part: str
    seconds: float
    url: str | None


@dataclass(frozen=True, slots=True)
class AllReady:
    seconds: float


@dataclass(frozen=True, slots=True)
class Crashed:
    """`reason` is how it ended and its last words; `restarts` counts those of this run; `restart_in` is in seconds;
    `again_and_again` is set once the waits have grown as long as they get."""

    part: str
    reason: str
    restarts: int
    restart_in: float
    again_and_again: bool


@dataclass(frozen=True, slots=True)
class Stopping:
    part: str


@dataclass(frozen=True, slots=True)
class Stopped:
    part: str
    killed: bool


Event = Starting | Progress | Ready | AllReady | Crashed | Stopping | Stopped
