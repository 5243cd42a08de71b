"""Records that none of our processes wrote, as /health tells of them: those met here, and those others report."""

from __future__ import annotations

from ingest_api.probes import Health
from pipeline.clock import Clock
from pipeline.forgeries import Forgeries
from schemas.operations.vitals import VitalsReported

ALARM_SECONDS = 15 * 60
"""So long after the last of them the log is degraded."""
MOST = 1000
"""Processes that are listened to: more there are only where somebody makes them up."""


class Alarms:
    """`own` are this process's."""

    def __init__(self, own: Forgeries, clock: Clock) -> None:
        self._own, self._clock = own, clock
        self._met: dict[str, tuple[int, int]] = {}

    def hear(self, key: str, vitals: VitalsReported | None) -> None:
        self._met.pop(key, None)
        if vitals is not None and vitals.forged and vitals.forged_at is not None and len(self._met) < MOST:
            self._met[key] = vitals.forged, vitals.forged_at

    def judge(self) -> Health:
        return Health.DEGRADED if self._lately() else Health.HEALTHY

    def notes(self) -> list[str]:
        """One sentence where there is something to look at. It names no record: who asks may be anybody."""
        lately = self._lately()
        if not lately:
            return []
        return [
            f"{sum(lately)} records in Kafka were not written by any of our processes, and are not believed: see the "
            "lines FORGED in the logs of workers, API and courier"
        ]

    def _lately(self) -> list[int]:
        """How many each process has met since its start, of those that met one within ALARM_SECONDS."""
        since = self._clock() - ALARM_SECONDS * 1_000_000
        own = [] if self._own.last_at is None else [(self._own.count, self._own.last_at)]
        return [count for count, at in (*own, *self._met.values()) if at >= since]
