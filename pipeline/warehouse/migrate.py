"""Brings the tables to what this version of the code needs: numbered SQL files, each applied once, in order.

ClickHouse has no lock to hold, so two runners may apply the same file at the same time. That is harmless because
every statement of a file may run twice (IF NOT EXISTS, OR REPLACE), and the record of it is inserted with a token.
"""

from __future__ import annotations

import hashlib
import logging
import re
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files

from pipeline.errors import Broken
from pipeline.settings import WarehouseSettings
from pipeline.warehouse.connection import Connection

log = logging.getLogger(__name__)

_NAME = re.compile(r"(?P<number>\d{4})_[a-z_]+\.sql")
_RECORD = """
CREATE TABLE IF NOT EXISTS migrations
(
    number     UInt32,
    name       String,
    sha256     FixedString(64),
    applied_at DateTime64(3, 'UTC') DEFAULT now64(3)
)
ENGINE = MergeTree ORDER BY number
SETTINGS non_replicated_deduplication_window = 10000
COMMENT 'The migrations applied to this database'
"""


@dataclass(frozen=True, slots=True)
class Migration:
    number: int
    name: str
    text: str

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.text.encode()).hexdigest()

    @property
    def statements(self) -> Sequence[str]:
        """A statement ends with a semicolon at the end of a line."""
        return [statement.strip() for statement in re.split(r";\s*(?:\n|\Z)", self.text) if statement.strip()]


def packaged() -> Sequence[Migration]:
    """The migrations of this version, in order. Raises Broken when their numbers do not run from 1 without a gap."""
    found = []
    for entry in (files("pipeline.warehouse") / "migrations").iterdir():
        match = _NAME.fullmatch(entry.name)
        if match is not None:
            found.append(Migration(int(match["number"]), entry.name, entry.read_text("utf-8")))
    found.sort(key=lambda migration: migration.number)
    if [migration.number for migration in found] != list(range(1, len(found) + 1)):
        raise Broken("the migrations are not numbered from 1 without a gap")
    return found


def migrate(settings: WarehouseSettings, migrations: Sequence[Migration] | None = None) -> Sequence[str]:
    """Applies what is missing and returns its names. A database ahead of this code is left as it is.

    Raises Broken when an applied file has changed since, WarehouseUnavailable, Misconfigured.
    """
    founder = Connection(settings, without_database=True)
    founder.command(f"CREATE DATABASE IF NOT EXISTS {founder.database}")
    founder.close()
    connection = Connection(settings)
    try:
        connection.command(_RECORD)
        done = applied(connection)
        missing = []
        for migration in packaged() if migrations is None else migrations:
            if migration.number not in done:
                _apply(connection, migration)
                missing.append(migration.name)
            elif done[migration.number] != migration.sha256:
                raise Broken(
                    f"{migration.name} was applied to {connection.database} with other contents: "
                    "an applied migration never changes, a correction is a new one"
                )
        return missing
    finally:
        connection.close()


def applied(connection: Connection) -> dict[int, str]:
    """number -> sha256 of each migration recorded."""
    return {number: _text(sha256) for number, sha256 in connection.rows("SELECT number, sha256 FROM migrations")}


def _apply(connection: Connection, migration: Migration) -> None:
    log.info("applying %s to %s", migration.name, connection.database)
    for statement in migration.statements:
        connection.command(statement)
    connection.command(
        "INSERT INTO migrations (number, name, sha256) "
        f"SETTINGS async_insert = 0, insert_deduplication_token = 'migration {migration.number}' "
        "SELECT {number:UInt32}, {name:String}, {sha256:String}",
        {"number": migration.number, "name": migration.name, "sha256": migration.sha256},
    )


def _text(value: bytes | str) -> str:
    return value.decode() if isinstance(value, bytes) else value
