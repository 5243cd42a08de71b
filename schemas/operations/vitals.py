"""What a process says of itself while it runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from schemas.event import Event

REPORT_SECONDS = 5.0
"""Between two reports of a process; a change is reported within a second."""


@dataclass(frozen=True, slots=True, eq=False)
class VitalsReported(Event):
    """A process is alive. Key: `process` and `host`. `assigned`: the partitions it holds of each topic that it reads;
    `ready` says whether it processes them now. A process that ends as asked says so with `ready` false and nothing
    assigned; one that is killed says nothing any more. `forged`: records it met since its start that none of our
    processes wrote, the last at `forged_at`."""

    SCHEMA: ClassVar[str] = "vitals.reported.v1.second"

    process: str
    host: str
    pid: int
    started_at: int
    reported_at: int
    ready: bool
    assigned: Mapping[str, list[int]]
    forged: int = 0
    forged_at: int | None = None

    @property
    def key(self) -> str:
        """Of one process of one host: a process that is started again follows itself."""
        return f"{self.process}@{self.host}"
