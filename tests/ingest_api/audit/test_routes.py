"""Asking for the audit in ways that cannot be answered."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace

import httpx
import pytest

from ingest_api.app import create_app
from ingest_api.audit.recorder import Audit
from pipeline.clock import now
from pipeline.settings import KafkaSettings, WarehouseSettings
from pipeline.warehouse.reader import Reader
from schemas.codec import Codec
from tests.doubles.desk import wired
from tests.doubles.door import app_with, client_of, key_for, settings_with

KEY, KEPT = key_for("admin")
ADMIN = {"X-API-Key": KEY}


@pytest.fixture
async def door() -> AsyncIterator[httpx.AsyncClient]:
    """With an audit whose log and warehouse are both away."""
    settings = settings_with(api_keys=(KEPT,))
    wiring = wired(settings)
    audit = Audit(KafkaSettings("127.0.0.1:1"), 0, Codec(), now, Reader(WarehouseSettings(port=1)))
    async with client_of(create_app(settings, replace(wiring, parts=(*wiring.parts, audit)))) as http:
        http.headers.update(ADMIN)
        yield http


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("actor", "x" * 257),
        ("action", "x" * 257),
        ("verdict", "perhaps"),
        ("request_id", "x" * 65),
        ("since", "yesterday"),
        ("since", "2026-11-22T00:00:00"),
        ("until", "2026-13-01T00:00:00Z"),
        ("limit", "0"),
        ("limit", "1001"),
        ("cursor", "of another list"),
        ("cursor", "9" * 65),
    ],
)
async def test_a_filter_that_cannot_be_used_is_named(door: httpx.AsyncClient, name: str, value: str) -> None:
    answer = await door.get("/api/admin/audit", params={name: value})
    assert answer.status_code == 422
    assert f'"{name}"' in answer.text


async def test_without_a_warehouse_there_is_no_answer_now(door: httpx.AsyncClient) -> None:
    answer = await door.get("/api/admin/audit", params={"since": "0001-01-01T00:00:00Z"})
    assert answer.status_code == 503
    assert int(answer.headers["Retry-After"]) >= 1


async def test_an_application_without_an_audit_says_so() -> None:
    async with client_of(app_with(api_keys=(KEPT,))) as http:
        answer = await http.get("/api/admin/audit", headers=ADMIN)
    assert answer.status_code == 503
