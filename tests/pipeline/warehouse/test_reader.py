"""What the API is told of a request, and how a warehouse that cannot be asked is told apart."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pipeline.errors import Misconfigured, WarehouseUnavailable
from pipeline.settings import WarehouseSettings
from pipeline.warehouse.archive.block import NOTHING, Block
from pipeline.warehouse.archive.ledger import Ledger
from pipeline.warehouse.archive.points import POINTS, PointsAssembler
from pipeline.warehouse.connection import Connection
from pipeline.warehouse.reader import Reader
from pipeline.warehouse.retention import Retention
from pipeline.warehouse.tables import bring_up_to_date
from schemas.position import Position
from tests.pipeline.warehouse.records import CODEC, logged, points


@pytest.fixture
def filled(settings: WarehouseSettings) -> WarehouseSettings:
    """Offsets 0 and 1 belong to request `a`, offset 2 to none."""
    bring_up_to_date(settings, Retention())
    assembler = PointsAssembler(CODEC, {})
    for offset, request in enumerate(("a", "a", None)):
        batch = points(0, offset, 4, labels=[-1, 1, 1, 2], request_id=request)
        assembler.add(logged(batch, offset))
    connection = Connection(settings)
    Ledger(connection, POINTS, 0).store(
        Block(POINTS.topic.name, 0, NOTHING, 2, 2, assembler.take(NOTHING)), certain=True
    )
    connection.close()
    return settings


async def test_a_request_is_told_by_batch_with_its_receipts(filled: WarehouseSettings) -> None:
    async with Reader(filled) as reader:
        stored = await reader.request_rows("a")
    assert (stored.points, stored.outliers) == (8, 2)
    assert stored.positions == [Position("points.observed.v1", 0, offset) for offset in (0, 1)]
    assert [batch.first_point for batch in stored.batches] == [1, 5]


async def test_a_request_nothing_is_known_of_has_no_batches(filled: WarehouseSettings) -> None:
    async with Reader(filled) as reader:
        for request_id in ("b", "'; DROP TABLE points", "a' OR '1' = '1"):
            assert (await reader.request_rows(request_id)).batches == []


async def test_a_warehouse_that_is_not_there_is_unavailable() -> None:
    async with Reader(WarehouseSettings(port=1)) as reader:
        with pytest.raises(WarehouseUnavailable, match=r"127\.0\.0\.1:1"):
            await reader.ping()


async def test_a_wrong_password_is_the_operators_and_is_not_shown(filled: WarehouseSettings) -> None:
    async with Reader(replace(filled, password="mistaken")) as reader:
        with pytest.raises(Misconfigured) as told:
            await reader.ping()
    assert "mistaken" not in str(told.value)
