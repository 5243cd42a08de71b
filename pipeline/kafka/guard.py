"""Takes records of signed topics when they are genuine, and raises an alarm when they are not."""

from __future__ import annotations

import logging

from pipeline.forgeries import Forgeries
from pipeline.kafka.record import Record
from pipeline.signatures import FAULTS, MISSING, Signatures

log = logging.getLogger("thalweg.forgery")


class Guard:
    """For one reader. `forgeries` are its process's.

    A reader of topics from their beginning asks `admits`: records of before there were signatures are adopted once,
    where the log holds no signed one at all when the reader has caught up with it. Any other asks `is_genuine`.
    """

    def __init__(self, signatures: Signatures, forgeries: Forgeries) -> None:
        self._signatures, self._forgeries = signatures, forgeries
        self._unsigned: list[Record] | None = []
        self._signed_seen = False

    def is_genuine(self, record: Record) -> bool:
        """Raises an alarm where it is not. Records of topics that are not signed pass."""
        fault = self._fault(record)
        if fault is not None:
            self._alarm(record, fault)
        return fault is None

    def admits(self, record: Record) -> bool:
        fault = self._fault(record)
        if fault is None:
            self._signed_seen = self._signed_seen or record.topic in self._signatures.topics
            return True
        if fault == MISSING and self._unsigned is not None:
            self._unsigned.append(record)
        else:
            self._alarm(record, fault)
        return False

    def caught_up(self) -> list[Record]:
        """From now on nothing is adopted. What of the log so far is."""
        unsigned, self._unsigned = self._unsigned or [], None
        if not self._signed_seen:
            if unsigned:
                log.warning("%d records from before there were signatures are taken as they are", len(unsigned))
            return unsigned
        for record in unsigned:
            self._alarm(record, MISSING)
        return []

    def _fault(self, record: Record) -> str | None:
        if record.topic not in self._signatures.topics:
            return None
        return self._signatures.fault(record.topic, record.key, record.value, record.headers)

    def _alarm(self, record: Record, fault: str) -> None:
        self._forgeries.note(record.position, fault, FAULTS[fault])
