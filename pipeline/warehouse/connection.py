"""One way to ClickHouse: connects when first used, binds parameters, tells faults apart."""

from __future__ import annotations

import re
import threading
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any

import clickhouse_connect
import pyarrow as pa
from clickhouse_connect.driver.client import Client

from pipeline.errors import Misconfigured
from pipeline.settings import WarehouseSettings
from pipeline.warehouse.faults import translated

_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,62}")


def identifier(name: str) -> str:
    """A name that may stand in SQL unquoted. Raises Misconfigured."""
    if not _IDENTIFIER.fullmatch(name):
        raise Misconfigured(f"{name!r} cannot name a database: letters, digits and _ only, not beginning with a digit")
    return name


class Connection:
    """Usable from several threads at once. Every method raises WarehouseUnavailable when no answer comes within
    `timeout` seconds or the server cannot do it now, Misconfigured and Broken when waiting would not help."""

    def __init__(self, settings: WarehouseSettings, *, timeout: float = 30.0, without_database: bool = False) -> None:
        self.database = identifier(settings.database)
        self.where = f"{settings.host}:{settings.port}"
        self._settings, self._timeout, self._without_database = settings, timeout, without_database
        self._client: Client | None = None
        self._connecting = threading.Lock()

    def command(self, sql: str, parameters: Mapping[str, Any] | None = None) -> Any:
        with self._translated():
            return self._connected().command(sql, parameters=dict(parameters or {}))

    def rows(self, sql: str, parameters: Mapping[str, Any] | None = None) -> Sequence[Sequence[Any]]:
        """The result's rows. Parameters are bound on the server: `{name:Type}` in the SQL."""
        with self._translated():
            found: Sequence[Sequence[Any]] = self._connected().query(sql, parameters=dict(parameters or {})).result_rows
            return found

    def arrow(self, sql: str, parameters: Mapping[str, Any] | None = None) -> pa.Table:
        with self._translated():
            return self._connected().query_arrow(sql, parameters=dict(parameters or {}))

    def text(self, sql: str, form: str, settings: Mapping[str, Any] | None = None) -> bytes:
        """The result in one of ClickHouse's output formats."""
        with self._translated():
            found: bytes = self._connected().raw_query(sql, fmt=form, settings=dict(settings or {}))
            return found

    def insert(self, table: str, rows: pa.Table, settings: Mapping[str, Any]) -> None:
        """One block: the rows are sent as one Arrow record batch."""
        with self._translated():
            self._connected().insert_arrow(table, rows.combine_chunks(), settings=dict(settings))

    def close(self) -> None:
        if self._client is not None:
            self._client.close()
            self._client = None

    def _translated(self) -> AbstractContextManager[None]:
        return translated(self.where)

    def _connected(self) -> Client:
        with self._connecting:
            if self._client is None:
                self._client = self._connect()
            return self._client

    def _connect(self) -> Client:
        settings = self._settings
        return clickhouse_connect.get_client(
            host=settings.host,
            port=settings.port,
            secure=settings.secure,
            username=settings.user,
            password=settings.password,
            database=None if self._without_database else self.database,
            connect_timeout=5,
            send_receive_timeout=int(self._timeout),
            autogenerate_session_id=False,  # a session would serialise the threads
            query_retries=0,
            client_name="thalweg",
        )
