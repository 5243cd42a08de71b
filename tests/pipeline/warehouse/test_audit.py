"""The audit is found by every filter, newest first, and paged without a gap or a repetition."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.settings import WarehouseSettings
from pipeline.warehouse.archive.audit import AUDIT
from pipeline.warehouse.archive.block import NOTHING, Block
from pipeline.warehouse.archive.ledger import Ledger
from pipeline.warehouse.audit import MOST, Cursor, Sought, StoredAction, page
from pipeline.warehouse.connection import Connection
from pipeline.warehouse.reader import Reader
from pipeline.warehouse.retention import Retention
from pipeline.warehouse.tables import bring_up_to_date
from schemas.accounts.traces import ActionAudited, Verdict
from tests.pipeline.warehouse.databases import empty_database
from tests.pipeline.warehouse.records import CODEC, EPOCH, MICROSECONDS, action, logged

REFUSED = {"verdict": Verdict.REFUSED, "status": 401, "reason": "AUTHENTICATION_ERROR", "actor": "address:192.0.2.1"}
PARTITIONS: list[list[ActionAudited]] = [
    [action(n // 3) for n in range(12)],
    [action(n, address="192.0.2.1", **REFUSED) for n in range(4)],
    [action(9, action="DELETE /api/v1/streams/{stream}", target="s1", request_id="mine")],
]


@pytest.fixture(scope="module")
def filled(warehouse_url: str) -> Iterator[WarehouseSettings]:
    with empty_database(warehouse_url) as made:
        bring_up_to_date(made, Retention())
        connection = Connection(made)
        for partition, actions in enumerate(PARTITIONS):
            store(connection, partition, actions)
        connection.close()
        yield made


def store(connection: Connection, partition: int, actions: list[ActionAudited]) -> None:
    assembler = AUDIT.restore(connection, CODEC, AUDIT.topic.name, partition)
    for offset, each in enumerate(actions):
        assembler.add(logged(each, offset, topic=AUDIT.topic.name, partition=partition))
    last = len(actions) - 1
    block = Block(AUDIT.topic.name, partition, NOTHING, last, last, assembler.take(NOTHING))
    assert Ledger(connection, AUDIT, partition).store(block, certain=True).last == last


def place(stored: StoredAction) -> tuple[int, int, int]:
    return stored.at, stored.partition, stored.offset


@pytest.mark.parametrize(
    ("sought", "count"),
    [
        (Sought(), 17),
        (Sought(actor="user:ada"), 13),
        (Sought(actor="user:a"), 0),
        (Sought(action="POST "), 16),
        (Sought(action="DELETE /api/v1/streams/{stream}"), 1),
        (Sought(target="s1"), 1),
        (Sought(verdict="refused"), 4),
        (Sought(address="192.0.2.1"), 4),
        (Sought(request_id="mine"), 1),
        (Sought(since=EPOCH + 3 * MICROSECONDS), 5),
        (Sought(until=EPOCH + 1 * MICROSECONDS), 4),
        (Sought(since=EPOCH + 1 * MICROSECONDS, until=EPOCH + 2 * MICROSECONDS, verdict="accepted"), 3),
        (Sought(actor="user:ada' OR '1' = '1"), 0),
        (Sought(action="%\\'\t\n\0"), 0),
        (Sought(since=-(10**18), until=10**18), 17),
    ],
)
async def test_a_filter_finds_what_it_says(filled: WarehouseSettings, sought: Sought, count: int) -> None:
    async with Reader(filled) as reader:
        found = await page(reader, sought, MOST)
    assert len(found.actions) == count
    assert found.following is None
    assert [place(each) for each in found.actions] == sorted(map(place, found.actions), reverse=True)


async def test_a_row_says_what_its_record_said(filled: WarehouseSettings) -> None:
    async with Reader(filled) as reader:
        [stored] = (await page(reader, Sought(request_id="mine"), 1)).actions
    said = PARTITIONS[2][0].datum()
    assert {name: getattr(stored, name) for name in said} == said


@given(st.integers(1, 20))
@settings(max_examples=8)
async def test_pages_of_any_size_are_the_whole_once(filled: WarehouseSettings, limit: int) -> None:
    async with Reader(filled) as reader:
        whole = [place(each) for each in (await page(reader, Sought(), MOST)).actions]
        gathered, cursor = [], None
        while True:
            part = await page(reader, Sought(), limit, cursor)
            gathered += [place(each) for each in part.actions]
            if part.following is None:
                break
            cursor = Cursor.parse(str(part.following))
    assert gathered == whole


@pytest.mark.parametrize("text", ["", "1-2", "1-2-3-4", "a-b-c", "1-2-" + "9" * 40, "-1-2-3", "١-٢-٣", "1-2-3\n"])
def test_what_is_no_cursor_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="no cursor"):
        Cursor.parse(text)
