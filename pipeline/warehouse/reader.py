"""What the ingest API asks the warehouse: bound parameters, read only, within a time limit."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import clickhouse_connect
from clickhouse_connect.driver.asyncclient import AsyncClient

from pipeline.errors import WarehouseUnavailable
from pipeline.settings import WarehouseSettings
from pipeline.warehouse.connection import identifier
from pipeline.warehouse.faults import translated
from schemas.clustering.topics import OBSERVED
from schemas.position import Position

_REQUEST = """
SELECT source_partition, source_offset, any(stream), count(), countIf(is_outlier), min(point), any(source),
       toUnixTimestamp64Micro(max(archived_at))
FROM points
WHERE request_id = {request_id:String}
GROUP BY source_partition, source_offset
ORDER BY source_partition, source_offset
LIMIT {limit:UInt32}
"""
_LIMIT = 10_000


@dataclass(frozen=True, slots=True)
class StoredBatch:
    """One batch of a request as it is stored. `position` is the receipt the producer got; times are microseconds."""

    position: Position
    stream: str
    points: int
    outliers: int
    first_point: int
    source: str | None
    archived_at: int


@dataclass(frozen=True, slots=True)
class StoredRequest:
    """What the warehouse has of a request; no batches when it has nothing (yet)."""

    request_id: str
    batches: Sequence[StoredBatch]

    @property
    def points(self) -> int:
        return sum(batch.points for batch in self.batches)

    @property
    def outliers(self) -> int:
        return sum(batch.outliers for batch in self.batches)

    @property
    def source(self) -> str | None:
        """Who sent it; None where nothing is stored."""
        return self.batches[0].source if self.batches else None

    @property
    def positions(self) -> Sequence[Position]:
        return [batch.position for batch in self.batches]


class Reader:
    """For one event loop. Connects when first used; every method raises WarehouseUnavailable where no answer comes
    within `timeout` seconds, and Misconfigured or Broken where waiting would not help."""

    def __init__(self, settings: WarehouseSettings, timeout: float = 5.0) -> None:
        self._settings, self._timeout = settings, timeout
        self._where = f"{settings.host}:{settings.port}"
        self._database = identifier(settings.database)
        self._client: AsyncClient | None = None
        self._connecting = asyncio.Lock()

    async def ping(self) -> None:
        """Returns when the warehouse answers a query."""
        await self.rows("SELECT 1", {})

    async def request_rows(self, request_id: str) -> StoredRequest:
        """What has been stored of a request of the API, by batch; the first 10,000 batches."""
        found = await self.rows(_REQUEST, {"request_id": request_id, "limit": _LIMIT})
        return StoredRequest(request_id, [_batch(*row) for row in found])

    async def rows(self, sql: str, parameters: Mapping[str, Any]) -> Sequence[Sequence[Any]]:
        """The result's rows. Parameters are bound on the server: `{name:Type}` in the SQL."""
        # Limits first, readonly with them: from 1 on a server takes no further settings.
        settings = {"max_execution_time": int(self._timeout) or 1, "readonly": 1}
        try:
            async with asyncio.timeout(self._timeout):
                with translated(self._where):
                    client = await self._connected()
                    result = await client.query(sql, parameters=dict(parameters), settings=settings)
                    rows: Sequence[Sequence[Any]] = result.result_rows
                    return rows
        except TimeoutError as error:
            message = f"the warehouse at {self._where} gave no answer within {self._timeout:g} s"
            raise WarehouseUnavailable(message) from error

    async def close(self) -> None:
        if self._client is not None:
            await self._client.close()
            self._client = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def _connected(self) -> AsyncClient:
        async with self._connecting:
            if self._client is None:
                settings = self._settings
                self._client = await clickhouse_connect.get_async_client(
                    host=settings.host,
                    port=settings.port,
                    secure=settings.secure,
                    username=settings.user,
                    password=settings.password,
                    database=self._database,
                    connect_timeout=5,
                    send_receive_timeout=int(self._timeout) + 1,
                    autogenerate_session_id=False,
                    query_retries=0,
                    client_name="thalweg-reader",
                )
            return self._client


def _batch(
    partition: int,
    offset: int,
    stream: str,
    points: int,
    outliers: int,
    first_point: int,
    source: str | None,
    archived_at: int,
) -> StoredBatch:
    position = Position(OBSERVED.name, partition, offset)
    return StoredBatch(position, stream, points, outliers, first_point, source, archived_at)
