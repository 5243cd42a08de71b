"""The one chDB engine of this process: opening its directory, and handles on it, one for each request."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import chdb

from pipeline.embedded.warehouse.configuration import write_configuration
from pipeline.embedded.warehouse.errors import from_engine, refusal
from pipeline.embedded.warehouse.names import ALLOWED_FORMATS
from pipeline.embedded.warehouse.settings import Limits
from pipeline.embedded.warehouse.users import Role
from pipeline.errors import Misconfigured


@dataclass(frozen=True)
class Result:
    """A whole result in its format, and what the engine read and wrote for it."""

    data: bytes
    rows: int = 0
    read_rows: int = 0
    read_bytes: int = 0
    written_rows: int = 0
    written_bytes: int = 0


@dataclass(frozen=True)
class Chunk:
    """A part of a streamed result: `data` holds whole rows."""

    data: bytes
    rows: int
    read_rows: int


@dataclass(frozen=True)
class Format:
    name: str
    content_type: str


class Handle:
    """One session with the engine: its own settings, current database, roles and temporary tables.

    Not for two threads at once. Raises WarehouseError for whatever the engine refuses.
    """

    def __init__(self, connection: Any) -> None:
        self._connection = connection

    def run(self, sql: str, output: str = "Null") -> Result:
        try:
            result = self._connection.query(sql, output)
        except Exception as error:
            raise from_engine(error) from error
        if result.has_error():
            raise from_engine(RuntimeError(result.error_message()))
        return Result(
            data=result.bytes() if result.size() else b"",
            rows=result.rows_read(),
            read_rows=result.storage_rows_read(),
            read_bytes=result.storage_bytes_read(),
            written_rows=result.rows_written(),
            written_bytes=result.bytes_written(),
        )

    def stream(self, sql: str, output: str) -> Iterator[Chunk]:
        """The result's blocks as the engine makes them. Only for formats without header or footer."""
        try:
            stream = self._connection.send_query(sql, output)
        except Exception as error:
            raise from_engine(error) from error
        try:
            for part in stream:
                yield Chunk(part.bytes(), part.rows_read(), part.storage_rows_read())
        except Exception as error:
            raise from_engine(error) from error
        finally:
            with contextlib.suppress(Exception):
                stream.close()

    def insert(self, sql: str, data_format: str, data: Iterable[bytes]) -> Result:
        """Feeds the data to an INSERT without its FORMAT clause. Any error, the data's own included, cancels it."""
        try:
            inserter = self._connection.send_insert(sql, data_format)
        except Exception as error:
            raise from_engine(error) from error
        with inserter:
            for piece in data:
                try:
                    inserter.append(piece)
                except Exception as error:
                    raise from_engine(error) from error
            try:
                done = inserter.finish()
            except Exception as error:
                raise from_engine(error) from error
        return Result(b"", written_rows=done.rows_written, written_bytes=done.bytes_written)

    def close(self) -> None:
        self._connection.close()


class Engine:
    """Opens `directory` for this process alone, with the configuration written there, and the database made.

    Raises Misconfigured when the directory cannot be used, mostly because another process holds it.
    """

    def __init__(self, directory: Path, database: str, limits: Limits) -> None:
        if any(sign in str(directory) for sign in "?&#%"):
            raise Misconfigured(f"{directory}: the warehouse's directory must not have ?, &, # or % in its path")
        config = write_configuration(directory / "configuration", database, limits, _settings())
        self.database = database
        self._address = f"file:{directory / 'store'}?config-file={config}&log-level=error"
        try:
            self._root = self.handle()
        except Exception as error:
            raise Misconfigured(
                f"the warehouse engine cannot open {directory}: is another process using it? ({error})"
            ) from error
        self._root.run(f"CREATE DATABASE IF NOT EXISTS `{database}`")
        self.version = self._root.run("SELECT version()", "TabSeparated").data.decode().strip()
        self.formats = self._read_formats()

    def handle(self, role: Role = Role.OWNER) -> Handle:
        """A handle with this role's rights from its first statement on. An analyst's has given up the owner's for
        good: SET ROLE is refused to everybody."""
        handle = Handle(chdb.connect(self._address))
        if role is not Role.OWNER:
            try:
                handle.run("SET ROLE NONE")
            except BaseException:
                handle.close()
                raise
        return handle

    def format(self, name: str) -> Format:
        """The engine's own spelling and content type of a format, for data either way. Raises UNKNOWN_FORMAT, and
        ACCESS_DENIED for one that needs more than the data."""
        found = self.formats.get(name.lower())
        if found is None:
            raise refusal("UNKNOWN_FORMAT", f"Unknown format {name[:50]}")
        if found.name.lower() not in ALLOWED_FORMATS:
            raise refusal("ACCESS_DENIED", f"Format {found.name} is not allowed here: it needs more than the data")
        return found

    def kill(self, query_id: str) -> None:
        """Ends the running statement that carries this id, if there is one."""
        handle = self.handle()
        try:
            quoted = query_id.replace("\\", "\\\\").replace("'", "\\'")
            handle.run(f"KILL QUERY WHERE Settings['log_comment'] = '{quoted}' ASYNC", "Null")
        finally:
            handle.close()

    def close(self) -> None:
        """Ends the engine once every other handle is closed: parts in memory are finished and locks released."""
        self._root.close()

    def _read_formats(self) -> dict[str, Format]:
        sql = "SELECT name, content_type FROM system.formats"
        rows = (json.loads(line) for line in self._root.run(sql, "JSONEachRow").data.splitlines())
        plain = "application/octet-stream"
        return {row["name"].lower(): Format(row["name"], row["content_type"] or plain) for row in rows}


def _settings() -> dict[str, str]:
    """The engine's settings with its own values. The configuration names them all, so they are asked of an engine
    without one, which is closed again."""
    handle = Handle(chdb.connect(":memory:?log-level=error"))
    try:
        rows = handle.run("SELECT name, value FROM system.settings", "JSONEachRow").data.splitlines()
    finally:
        handle.close()
    return {row["name"]: row["value"] for row in map(json.loads, rows)}
