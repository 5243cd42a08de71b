"""What the audit hears of requests, read from the topic of a real broker; and what it must never hear."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Annotated, Any

import httpx
import pytest
from fastapi import APIRouter, Depends
from starlette.requests import Request

from ingest_api.app import create_app
from ingest_api.audit.recorder import Audit
from ingest_api.audit.tally import Deed
from ingest_api.auth import authenticated, may, public
from ingest_api.domain import Domain
from ingest_api.domains import DOMAINS
from ingest_api.json import Json
from ingest_api.openapi import routes_of
from ingest_api.principal import Principal
from ingest_api.problems import NotFound, Problem
from pipeline.clock import now
from pipeline.kafka.browse import ends, stretch
from pipeline.kafka.provision import provision
from pipeline.settings import KafkaSettings, WarehouseSettings
from pipeline.warehouse.reader import Reader
from schemas.accounts.topics import AUDITED
from schemas.accounts.traces import ActionAudited
from schemas.codec import Codec
from tests.doubles.desk import wired
from tests.doubles.door import app_with, client_of, key_for, settings_with

CODEC = Codec()
KEY, KEPT = key_for("write", name="sensor-7")
SOMEBODY = Annotated[Principal, Depends(authenticated())]
router = APIRouter()


@router.post("/test/things/{thing_id}")
async def change(thing_id: str, principal: SOMEBODY) -> Json:
    if thing_id == "none":
        raise NotFound
    if thing_id == "taken":
        raise Problem(409, "TAKEN", f"{thing_id} is taken")
    return Json({})


@router.delete("/test/things/{thing_id}", dependencies=[Depends(may("admin"))])
async def delete(thing_id: str) -> Json:
    return Json({})


@router.get("/test/things", dependencies=[Depends(may("admin"))])
async def read() -> Json:
    return Json({})


@router.post("/test/commands")
async def command(request: Request, principal: SOMEBODY) -> Json:
    request.state.audited = True
    if "refuse" in request.query_params:
        raise Problem(403, "AUTHORIZATION_ERROR", "Log in for this", reason="SESSION_REQUIRED")
    return Json({})


@router.post("/test/tokens/{token}")
async def spend(token: str, principal: SOMEBODY) -> Json:
    return Json({})


@router.post("/test/open", dependencies=[Depends(public(limited=False))])
async def anyone() -> Json:
    return Json({})


@dataclass
class Heard:
    """What the topic has of it, once the application has ended."""

    records: list[ActionAudited] = field(default_factory=list)
    raw: bytes = b""

    def only(self) -> dict[str, Any]:
        [record] = self.records
        return record.datum()


@pytest.fixture
def kafka(kafka_bootstrap: str) -> KafkaSettings:
    settings = KafkaSettings(kafka_bootstrap)
    provision(settings, [AUDITED])
    return settings


@asynccontextmanager
async def listened_to(kafka: KafkaSettings, **overrides: object) -> AsyncIterator[tuple[httpx.AsyncClient, Heard]]:
    settings = settings_with(api_keys=(KEPT,), **overrides)
    wiring = wired(settings)
    reader = Reader(WarehouseSettings(port=1))
    audit = Audit(kafka, 0, CODEC, now, reader)
    app = create_app(settings, replace(wiring, parts=(*wiring.parts, audit)))
    since = {partition: mark.high for partition, mark in ends(kafka, AUDITED.name).items()}
    heard = Heard()
    async with client_of(app, client=("203.0.113.7", 50000)) as http:
        yield http, heard
    for record in stretch(kafka, AUDITED.name, since):
        assert record.value is not None
        heard.raw += (record.key or b"") + record.value + repr(record.headers).encode()
        heard.records.append(CODEC.decode(record.value, ActionAudited))


@pytest.fixture
def routes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ingest_api.app.DOMAINS", (*DOMAINS, Domain("test", router)))


@pytest.mark.usefixtures("routes")
async def test_a_write_of_a_known_caller_is_recorded_with_what_it_changed(kafka: KafkaSettings) -> None:
    async with listened_to(kafka) as (http, heard):
        before = now()
        await http.post("/test/things/t-1?note=x", headers={"X-API-Key": KEY, "X-Request-ID": "mine"})
    said = heard.only()
    assert before <= said.pop("at") <= now()
    assert said == {
        "actor": "key:sensor-7",
        "action": "POST /test/things/{thing_id}",
        "target": "t-1",
        "verdict": "accepted",
        "status": 200,
        "reason": None,
        "address": "203.0.113.7",
        "request_id": "mine",
        "count": 1,
        "source_partition": None,
        "source_offset": None,
        "details": {},
    }


@pytest.mark.usefixtures("routes")
@pytest.mark.parametrize(
    ("method", "path", "known", "expected"),
    [
        ("POST", "/test/things/none", True, ("key:sensor-7", 404, None, "NOT_FOUND", {})),
        ("POST", "/test/things/taken", True, ("key:sensor-7", 409, "taken", "TAKEN", {})),
        ("DELETE", "/test/things/t-1", True, ("key:sensor-7", 403, None, "AUTHORIZATION_ERROR", {"missing": "admin"})),
        ("GET", "/test/things", True, ("key:sensor-7", 403, None, "AUTHORIZATION_ERROR", {"missing": "admin"})),
        ("POST", "/test/things/t-1", False, ("address:203.0.113.7", 401, None, "AUTH_REQUIRED", {})),
        ("GET", "/test/things", False, ("address:203.0.113.7", 401, None, "AUTH_REQUIRED", {})),
    ],
)
async def test_a_refusal_is_recorded_with_its_reason(
    kafka: KafkaSettings, method: str, path: str, known: bool, expected: tuple[object, ...]
) -> None:
    async with listened_to(kafka) as (http, heard):
        await http.request(method, path, headers={"X-API-Key": KEY} if known else {})
    said = heard.only()
    assert (said["actor"], said["status"], said["target"], said["reason"], said["details"]) == expected
    assert said["verdict"] == "refused"


@pytest.mark.usefixtures("routes")
async def test_who_asks_too_often_is_recorded_once_with_how_often(kafka: KafkaSettings) -> None:
    async with listened_to(kafka, rate_limits=0.0001) as (http, heard):
        for _ in range(21):
            await http.get("/test/things")
    counts = {(record.status, record.reason): record.count for record in heard.records}
    assert sum(counts.values()) == 21
    assert len(heard.records) <= 4, "alike within a second, and it did not take three"
    assert {status for status, _ in counts} == {401, 429}


@pytest.mark.usefixtures("routes")
async def test_what_is_no_write_and_no_refusal_is_not_recorded(kafka: KafkaSettings) -> None:
    async with listened_to(kafka) as (http, heard):
        await http.post("/test/open")
        await http.post("/test/nowhere", headers={"X-API-Key": KEY})
        await http.put("/test/things", headers={"X-API-Key": KEY})
        await http.post("/test/commands", headers={"X-API-Key": KEY})
        await http.options("/test/things")
    assert heard.records == []


@pytest.mark.usefixtures("routes")
async def test_what_a_route_refused_before_its_command_was_sent_is_recorded(kafka: KafkaSettings) -> None:
    async with listened_to(kafka) as (http, heard):
        await http.post("/test/commands?refuse=1", headers={"X-API-Key": KEY})
    assert [(each.action, each.reason) for each in heard.records] == [("POST /test/commands", "SESSION_REQUIRED")]


SECRETS = {
    "password": "hunter2-correct-horse",
    "token": "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhZGEifQ.c2lnbmF0dXJl",
    "key": "ncs_" + "5ec7e7" * 5 + "ab",
}


def secrets_everywhere(path: str) -> dict[str, Any]:
    """A request that holds a secret in every place there is."""
    password, token, key = SECRETS.values()
    return {
        "url": path,
        "params": {"token": token, "api_key": key, "password": password},
        "headers": {
            "Authorization": f"Bearer {token}",
            "X-Request-ID": key,
            "Idempotency-Key": password,
            "X-Forwarded-For": password,
            "User-Agent": password,
            "Cookie": f"session={token}",
            "Origin": f"https://{password}.example",
            "Last-Event-ID": token,
        },
        "content": json.dumps({"username": key, "password": password, "points": [[1.0]], "stream": key}).encode(),
    }


@pytest.mark.usefixtures("routes")
@pytest.mark.parametrize("known", [True, False])
async def test_no_secret_of_a_request_is_recorded(kafka: KafkaSettings, known: bool) -> None:
    async with listened_to(kafka) as (http, heard):
        for secret in SECRETS.values():
            for method, path in (
                ("POST", f"/test/tokens/{secret}"),
                ("POST", "/test/things/none"),
                ("DELETE", f"/test/things/{secret}"),
                ("GET", "/test/things"),
            ):
                asked = secrets_everywhere(path)
                if known:
                    del asked["headers"]["Authorization"]
                    asked["headers"]["X-API-Key"] = KEY
                await http.request(method, **asked)
    assert len(heard.records) >= 4
    for secret in (*SECRETS.values(), KEY):
        assert secret.encode() not in heard.raw


async def test_no_route_there_is_lets_a_secret_into_the_audit(kafka: KafkaSettings) -> None:
    every = [(method, route.path) for route in routes_of(app_with()) for method in route.methods or ()]
    secrets = [*SECRETS.values(), KEY]
    async with listened_to(kafka) as (http, heard):
        for method, path in every:
            for secret in SECRETS.values():
                filled = path.replace("{", "\0").split("\0")
                address = filled[0] + "".join(secret + part.partition("}")[2] for part in filled[1:])
                asked = secrets_everywhere(address)
                await http.request(method, **asked)
                asked["headers"] |= {"Authorization": "", "X-API-Key": KEY}
                await http.request(method, **asked)
        for name in SECRETS.values():
            await http.post("/auth/login", data={"username": name, "password": SECRETS["password"]})
    actions = {record.action for record in heard.records}
    assert {"POST /auth/login", "POST /api/v1/process_points", "DELETE /api/v1/streams/{stream}"} <= actions
    assert [secret for secret in secrets if secret.encode() in heard.raw] == []


async def test_a_log_that_is_away_hinders_no_request(caplog: pytest.LogCaptureFixture) -> None:
    audit = Audit(KafkaSettings("127.0.0.1:1"), 0, CODEC, now, Reader(WarehouseSettings(port=1)))
    await audit.start()
    began = time.monotonic()
    for n in range(10_000):
        audit.note(Deed("user:ada", f"POST /{n}", 200), None)
    assert time.monotonic() - began < 5
    await audit.stop()
    assert "2001 records of the audit could not be written" in caplog.text


async def test_a_deed_costs_a_request_microseconds() -> None:
    """Of processor time, against that of the least a request does: so it holds on a slow machine too."""
    audit = Audit(KafkaSettings("127.0.0.1:1"), 0, CODEC, now, Reader(WarehouseSettings(port=1)))
    deeds = [Deed("user:ada", "POST /x", 200, address=f"192.0.2.{n % 250}") for n in range(20_000)]
    began = time.process_time()
    for deed in deeds:
        audit.note(deed, "req_1")
    noting = time.process_time() - began
    async with client_of(app_with()) as http:
        began = time.process_time()
        for _ in range(50):
            await http.get("/live")
        asking = time.process_time() - began
    assert noting / 20_000 < asking / 50 / 20
