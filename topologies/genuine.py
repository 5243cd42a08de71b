"""Whether a command is one of ours and is meant now: signed, written when it was made, and not decided before.

One that was genuine once could be written again, behind another that took it back: a command is refused that is older
than any process of ours would still try to write it, and within that time one that has been decided.
"""

from __future__ import annotations

from pipeline.entities.repeats import Repeats
from pipeline.outcome import Refuse
from pipeline.received import Raw, Received
from pipeline.signatures import FAULTS, Signatures, mac_of
from schemas.entity import Commanded

OLDEST = 70 * 60 * 1_000_000
"""Microseconds between making a command and the log's taking it: the API tries for an hour, and clocks differ."""
_DIGEST = 16


def forgery(
    signatures: Signatures, raw: Raw, received: Received[Commanded] | Refuse, repeats: Repeats
) -> Refuse | None:
    """Why the record is refused as none of ours; None where it is. What cannot be read is judged by its signature."""
    fault = signatures.fault(raw.position.topic, raw.key, raw.value, raw.headers)
    if fault is not None:
        return Refuse(fault, FAULTS[fault])
    if not isinstance(received, Received):
        return None
    made_at, offset = received.event.commanded_at, raw.position.offset
    if abs(raw.timestamp - made_at) > OLDEST:
        return Refuse("command_stale", "it was not made when it was written, but more than an hour before or after")
    if repeats.may_have_forgotten(offset, made_at):
        return Refuse("command_stale", "it was made before so many others that it may have been decided before")
    if repeats.knows(offset, digest_of(raw)):
        return Refuse("command_replayed", "it has been decided before: somebody has written it again")
    return None


def digest_of(raw: Raw) -> bytes:
    """Of a signed command: another has another, its copies have the same."""
    return mac_of(raw.headers)[:_DIGEST]
