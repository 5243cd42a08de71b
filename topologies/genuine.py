"""Whether a command is one of ours and is meant now: signed, and written when it was made.

One that was genuine once could be written again, behind another that took it back: a command is refused that is older
than any process of ours would still try to write it. Within that time it could: what was read before is not
remembered, or a worker that goes on where another crashed would not decide the same.
"""

from __future__ import annotations

from pipeline.outcome import Refuse
from pipeline.received import Raw, Received
from pipeline.signatures import FAULTS, Signatures
from schemas.entity import Commanded

OLDEST = 70 * 60 * 1_000_000
"""Microseconds between making a command and the log's taking it: the API tries for an hour, and clocks differ."""


def forgery(signatures: Signatures, raw: Raw, received: Received[Commanded] | Refuse) -> Refuse | None:
    """Why the record is refused as none of ours; None where it is. What cannot be read is judged by its signature."""
    fault = signatures.fault(raw.position.topic, raw.key, raw.value, raw.headers)
    if fault is not None:
        return Refuse(fault, FAULTS[fault])
    if isinstance(received, Received) and abs(raw.timestamp - received.event.commanded_at) > OLDEST:
        return Refuse("command_stale", "it was not made when it was written, but more than an hour before or after")
    return None
