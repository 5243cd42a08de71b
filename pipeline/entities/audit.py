"""What a commands topic's worker writes down of who asked for what: handed in by the domain that keeps the audit."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from pipeline.entities.decide import Decision
from pipeline.outcome import Emission, Refuse
from pipeline.received import Raw, Received
from schemas.entity import Commanded


@dataclass(frozen=True, slots=True)
class Audit:
    """`decided` makes the record of a command and its decision, `forged` that of a record that none of our processes
    wrote. None: nothing is written down."""

    decided: Callable[[Received[Commanded], Decision], Emission | None]
    forged: Callable[[Raw, Refuse], Emission | None]


UNAUDITED = Audit(lambda received, decision: None, lambda raw, refused: None)
"""Of a domain whose commands nobody needs to look up."""
