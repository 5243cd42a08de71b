"""How long rows are kept: the TTL of each table, set beside the migrations because it may change any day."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from pipeline.errors import Misconfigured
from pipeline.settings import Environment, between, setting
from pipeline.warehouse.connection import Connection
from schemas.accounts.topics import AUDITED
from schemas.clustering import topics

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Retention:
    """Days that rows are kept. Expiry counts from the log's time of a row, not from what its producer says.

    Raises Misconfigured where rows would be kept no longer than their topic keeps the records they came from: the
    archive finds its place by the rows it has stored, and would store the expired ones a second time.
    """

    points_days: int = 90
    rollup_days: int = 400
    audit_days: int = 400

    def __post_init__(self) -> None:
        for name, days, topic in (
            ("THALWEG_POINTS_DAYS", self.points_days, topics.CLUSTERED),
            ("THALWEG_ROLLUP_DAYS", self.rollup_days, topics.DRIFT),
            ("THALWEG_AUDIT_DAYS", self.audit_days, AUDITED),
        ):
            if days <= topic.retention.days:
                raise Misconfigured(
                    f"{name}={days}: the log keeps {topic.name} for {topic.retention.days} days; set more"
                )

    @classmethod
    def from_environment(cls, environ: Environment) -> Retention:
        return cls(
            points_days=setting(environ, "THALWEG_POINTS_DAYS", cls.points_days, between(1, 36_500)),
            rollup_days=setting(environ, "THALWEG_ROLLUP_DAYS", cls.rollup_days, between(1, 36_500)),
            audit_days=setting(environ, "THALWEG_AUDIT_DAYS", cls.audit_days, between(1, 36_500)),
        )

    def apply(self, connection: Connection) -> None:
        """Sets each table's TTL where it is another. What has expired goes with the next merges."""
        ages = {
            "points": ("_block_at", self.points_days),
            "minutes": ("stored_on", self.rollup_days),
            "cluster_minutes": ("stored_on", self.rollup_days),
            "stream_history": ("_block_at", self.rollup_days),
            "drifts": ("_block_at", self.rollup_days),
            "audit": ("_block_at", self.audit_days),
            "refused_records": ("toDateTime(refused_at)", self.rollup_days),
        }
        found = connection.rows("SELECT name, engine_full FROM system.tables WHERE database = currentDatabase()")
        engines: dict[str, str] = {row[0]: row[1] for row in found}
        for table, (column, days) in ages.items():
            ttl = f"{column} + toIntervalDay({days})"
            if f"TTL {ttl}" not in engines.get(table, ""):
                log.info("rows of %s are kept for %d days", table, days)
                connection.command(f"ALTER TABLE {table} MODIFY TTL {ttl} SETTINGS materialize_ttl_after_modify = 0")
