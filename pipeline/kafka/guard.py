"""Takes records of signed topics when they are genuine, and raises an alarm when they are not."""

from __future__ import annotations

import logging
import time

from pipeline.kafka.record import Record
from pipeline.signatures import FAULTS, MISSING, Signatures
from schemas.catalogue import SIGNED

log = logging.getLogger("thalweg.forgery")

EVERY_SECONDS = 1.0
"""Between two alarms: a flood of forgeries must not be one of the log, too. Each says how many there were."""


class Guard:
    """For one reader of several topics, from their beginning. Records of before there were signatures are adopted once:
    where the log holds no signed one at all when the reader has caught up with it."""

    def __init__(self, signatures: Signatures) -> None:
        self._signatures = signatures
        self._unsigned: list[Record] | None = []
        self._signed_seen = False
        self._told_at = float("-inf")
        self._untold = 0
        self.forged = 0
        """Records passed over since the start."""

    def admits(self, record: Record) -> bool:
        if record.topic not in SIGNED:
            return True
        fault = self._signatures.fault(record.topic, record.key, record.value, record.headers)
        if fault is None:
            self._signed_seen = True
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

    def _alarm(self, record: Record, fault: str) -> None:
        self.forged += 1
        self._untold += 1
        now = time.monotonic()
        if now - self._told_at >= EVERY_SECONDS:
            log.error(
                "FORGED: %s is passed over (%s), %d since the last alarm: %s",
                record.position,
                fault,
                self._untold,
                FAULTS[fault],
            )
            self._told_at, self._untold = now, 0
