"""What clients wanted done to accounts, and what they were told became of it: held against the log afterwards."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum


class Told(StrEnum):
    ACCEPTED = "accepted"
    REFUSED = "refused"
    UNKNOWN = "unknown"
    """503 or a broken connection: it may be done, or be done later. Who tries again does another deed."""


@dataclass(slots=True)
class Deed:
    """One command, sent once. `mark` is a text by which it is found in the log: of all commands of its name it stands
    in this one's arguments alone. A deletion is found by what it deletes (`mark` is its id), and others may want the
    same. `version` is the entity's as the answer had it, `reason` the code of the rejection, None where the door
    refused. Of a deed straight to the log: `value` is what was written, `offset` where Kafka said it is."""

    number: int
    command: str
    mark: str = ""
    told: Told = Told.UNKNOWN
    version: int | None = None
    reason: str | None = None
    value: bytes | None = None
    offset: int | None = None

    @property
    def name(self) -> str:
        return f"deed {self.number} ({self.command})"


@dataclass(slots=True)
class Deeds:
    """`wrong`: answers that no fault explains."""

    all: list[Deed] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)

    def begin(self, command: str, mark: str | None = None) -> Deed:
        """Without a mark of its own it gets one."""
        number = len(self.all)
        deed = Deed(number, command, f"deed-{number}" if mark is None else mark)
        self.all.append(deed)
        return deed

    def told(self, told: Told) -> Iterator[Deed]:
        return (deed for deed in self.all if deed.told is told)
