"""Every query of the SQL cookbook runs on the real engine and finds something."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.warehouse.archive.assembler import Target
from pipeline.warehouse.archive.audit import AUDIT
from pipeline.warehouse.archive.block import NOTHING, Block, Refusal
from pipeline.warehouse.archive.drifts import DRIFTS
from pipeline.warehouse.archive.ledger import Ledger
from pipeline.warehouse.archive.points import POINTS
from pipeline.warehouse.archive.streams import STREAMS
from pipeline.warehouse.connection import Connection
from schemas.accounts.traces import Verdict
from schemas.event import Event
from tests.pipeline.warehouse.databases import migrated_database
from tests.pipeline.warehouse.records import CODEC, MICROSECONDS, action, drift, logged, points, update

BOOK = Path(__file__).parents[2] / "docs" / "sql.md"
QUERIES = re.findall(r"^```sql\n(.*?)^```$", BOOK.read_text("utf-8"), re.DOTALL | re.MULTILINE)


@pytest.fixture(scope="module")
def stored(warehouse_url: str) -> Iterator[Connection]:
    """Half an hour of the stream `default`, just now: points, updates, drifts, actions, and what could not be read."""
    began = time.time_ns() // 1000 - 1800 * MICROSECONDS
    at = [began + minute * 60 * MICROSECONDS for minute in range(30)]
    batches: list[Event] = [
        points(0, n, 40, stream="default", observed_at=moment, processed_at=moment + 3000)
        for n, moment in enumerate(at)
    ]
    updates: list[Event] = [
        update("default", n, {1: 10 * n, 2: 7 * n, 3: n, 4: 1}, updated_at=moment) for n, moment in enumerate(at, 1)
    ]
    actions: list[Event] = [action(n, at=moment) for n, moment in enumerate(at)]
    actions.append(action(30, at=at[-1], verdict=Verdict.REFUSED, status=403, reason="AUTHORIZATION_ERROR"))
    from_now = [_moved(drift(n), at[n]) for n in (10, 20)]
    with migrated_database(warehouse_url) as connection:
        for target, events in ((POINTS, batches), (STREAMS, updates), (DRIFTS, from_now), (AUDIT, actions)):
            _store(connection, target, events)
        yield connection


def _moved(event: Event, detected_at: int) -> Event:
    return type(event).of(event.datum() | {"stream": "default", "detected_at": detected_at})


def _store(connection: Connection, target: Target, events: list[Event]) -> None:
    assembler = target.restore(connection, CODEC, target.topic.name, 0)
    for offset, event in enumerate(events):
        assembler.add(logged(event, offset, topic=target.topic.name))
    last = len(events) - 1
    refusal = Refusal(last + 1, "avro_invalid", "the record ends inside an array", 3, b"default", b"\0\0\0\0\3")
    block = Block(target.topic.name, 0, NOTHING, last, last + 1, assembler.take(NOTHING), (refusal,))
    assert Ledger(connection, target, 0).store(block, certain=True).last == last


def test_the_cookbook_has_more_than_a_dozen_queries() -> None:
    assert len(QUERIES) > 12


@pytest.mark.parametrize("query", QUERIES, ids=lambda query: " ".join(query.split())[:60])
def test_a_query_of_the_cookbook_finds_something(stored: Connection, query: str) -> None:
    assert stored.rows(query)


def test_the_cookbook_names_every_view_there_is(stored: Connection) -> None:
    views = stored.rows("SELECT name FROM system.tables WHERE database = currentDatabase() AND engine = 'View'")
    text = BOOK.read_text("utf-8")
    assert [name for (name,) in views if f"`{name}`" not in text] == []
