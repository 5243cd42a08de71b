"""The audit of commands: actions.audited.v1, one record a decision or forgery."""

from __future__ import annotations

from pipeline.entities.audit import Audit
from pipeline.entities.decide import Decision
from pipeline.outcome import Emission, Refuse
from pipeline.received import Raw, Received
from schemas.accounts.topics import AUDITED
from schemas.accounts.traces import ActionAudited, Verdict
from schemas.entity import Commanded

FORGER = "unknown"
"""The actor of a forged command."""


def audit_of(received: Received[Commanded], decision: Decision) -> ActionAudited:
    """Names the fields that were changed, never what stands in them."""
    event, raw, answer = received.event, received.raw, decision.answer
    told = {"changed": ", ".join(decision.changed)} if decision.changed else {}
    if answer.version is not None:
        told["version"] = str(answer.version)
    return ActionAudited(
        at=raw.timestamp,
        actor=event.actor,
        action=f"{event.entity}.{event.command}",
        target=event.entity_id,
        verdict=Verdict.REFUSED if decision.rejected else Verdict.ACCEPTED,
        status=None,
        reason=answer.rejection,
        address=event.address,
        request_id=raw.request_id,
        count=1,
        source_partition=raw.position.partition,
        source_offset=raw.position.offset,
        details=told,
    )


def forgery_of(raw: Raw, forged: Refuse) -> ActionAudited:
    """Nothing of what the record says is repeated: whoever wrote it may say what they like."""
    return ActionAudited(
        at=raw.timestamp,
        actor=FORGER,
        action="command.forge",
        target=None,
        verdict=Verdict.REFUSED,
        status=None,
        reason=forged.reason,
        address=None,
        request_id=None,
        count=1,
        source_partition=raw.position.partition,
        source_offset=raw.position.offset,
        details={},
    )


def _decided(received: Received[Commanded], decision: Decision) -> Emission:
    return Emission(AUDITED, audit_of(received, decision), received.event.actor.encode()[:256])


def _forged(raw: Raw, forged: Refuse) -> Emission:
    return Emission(AUDITED, forgery_of(raw, forged), FORGER.encode())


AUDIT = Audit(_decided, _forged)
