"""A worker of two processors in a row, each with its inputs and timers. `python -m tests.flow.relaying`, else as
`topologies`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import faust

from pipeline.outcome import Emission, Emit, Outcome, Refuse
from pipeline.received import Punctuation, Received
from pipeline.step import Input
from schemas.clustering.points import OutliersDetected
from schemas.state import State
from tests.topologies.relay import SEEN, Relay
from topologies.__main__ import main
from topologies.attach import attach_processor
from topologies.domain import Domain
from topologies.site import Site

COUNTED = replace(SEEN, name="relay.counted.v1")
COUNT = State("relay-count", (SEEN,))


@dataclass
class Count:
    """How many records of a key have come."""

    records: int = 0


class Seen:
    kind = OutliersDetected

    def key(self, event: OutliersDetected) -> str | Refuse:
        return f"{event.stream.split(' ')[0]} seen"

    def apply(self, received: Received[OutliersDetected], state: Count) -> Outcome:
        state.records += 1
        key = received.event.stream.split(" ")[0]
        return Emit((Emission(COUNTED, received.event, f"{key} counted".encode()),))


class Counting:
    """The second step: it finds what the first has sent on under another key, and sends it on under a third."""

    state = COUNT
    inputs: Mapping[str, Input[Any, Count]] = {SEEN.name: Seen()}

    def restore(self, snapshot: bytes | None) -> Count:
        return Count(0 if snapshot is None else int(snapshot))

    def snapshot(self, state: Count) -> bytes:
        return b"%d" % state.records

    def forfeit(self, state: Count, reason: str) -> Count:
        return Count()

    def settle(self, state: Count, *, final: bool) -> Sequence[Emission]:
        return ()

    def due(self, state: Count) -> int | None:
        return None

    def punctuate(self, punctuation: Punctuation, state: Count) -> Sequence[Emission]:
        return ()


def attach(app: faust.App, site: Site) -> None:
    attach_processor(app, site, Relay())
    attach_processor(app, site, Counting())


if __name__ == "__main__":
    main([Domain("relay", attach)])
