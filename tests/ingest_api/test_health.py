"""Health: the parts are really asked, not too often, not for too long."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import httpx
import pytest

from ingest_api.app import create_app
from ingest_api.probes import Health, Probe, Probes
from pipeline.clock import now
from tests.doubles.desk import wired
from tests.doubles.door import client_of, settings_with


class Part:
    """A part that answers what it is told to, and counts how often it is asked."""

    def __init__(self, answer: Health | Exception = Health.HEALTHY) -> None:
        self.answer, self.asked = answer, 0

    async def check(self) -> Health:
        self.asked += 1
        await asyncio.sleep(0)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


async def never() -> Health:
    await asyncio.Event().wait()
    return Health.HEALTHY


async def ask(path: str, **answers: Health | Exception) -> httpx.Response:
    """What `path` answers when the parts answer this; the log is essential."""
    told = {"log": Health.HEALTHY, "database": Health.HEALTHY, "algorithm": Health.HEALTHY} | answers
    probes = tuple(Probe(name, Part(answer).check, essential=name == "log") for name, answer in told.items())
    settings = settings_with()
    async with client_of(create_app(settings, wired(settings, probes))) as http:
        return await http.get(path)


@pytest.mark.parametrize("path", ["/health", "/api/v1/health"])
async def test_all_well_is_told_in_the_documented_shape(path: str) -> None:
    answer = await ask(path)
    assert answer.status_code == 200
    body = answer.json()
    assert body["status"] == "healthy"
    assert body["algorithm_ready"] is True
    assert body["uptime_seconds"] >= 0
    assert body["timestamp"].endswith("Z")
    assert body["version"]
    assert body["notes"] == []
    assert body["components"] == {
        "log": "healthy",
        "database": "healthy",
        "algorithm": "healthy",
        "redis": "not_used",
    }


@pytest.mark.parametrize(
    ("answers", "status"),
    [
        ({"database": Health.DEGRADED}, "degraded"),
        ({"database": Health.DEGRADED, "algorithm": Health.UNHEALTHY}, "unhealthy"),
        ({"log": RuntimeError("away")}, "unhealthy"),
    ],
)
async def test_the_worst_part_decides_and_is_503(answers: dict[str, Health | Exception], status: str) -> None:
    answer = await ask("/health", **answers)
    assert (answer.status_code, answer.json()["status"]) == (503, status)
    assert "away" not in answer.text


async def test_what_somebody_should_look_at_is_told_beside() -> None:
    settings = settings_with()
    wiring = replace(wired(settings, (Probe("log", Part(Health.DEGRADED).check),)), notes=lambda: ["look"])
    async with client_of(create_app(settings, wiring)) as http:
        answer = await http.get("/health")
    assert (answer.status_code, answer.json()["notes"], answer.json()["status"]) == (503, ["look"], "degraded")


async def test_the_algorithm_is_ready_only_while_its_workers_are_healthy() -> None:
    assert (await ask("/health", algorithm=Health.DEGRADED)).json()["algorithm_ready"] is False


async def test_a_process_is_ready_without_what_it_can_do_without() -> None:
    assert (await ask("/ready", database=Health.UNHEALTHY)).status_code == 200
    assert (await ask("/ready", log=Health.UNHEALTHY)).status_code == 503
    assert (await ask("/live", log=Health.UNHEALTHY)).status_code == 200


async def test_a_part_that_does_not_answer_is_unhealthy() -> None:
    probes = Probes([Probe("log", never), Probe("database", Part().check)], now, patience=0.01)
    found = await probes.findings()
    assert found.components == {"log": Health.UNHEALTHY, "database": Health.HEALTHY}


async def test_whether_a_process_is_ready_asks_only_what_that_needs() -> None:
    log, others = Part(), [Part(), Part(RuntimeError("away"))]
    asked = [Probe("log", log.check, essential=True), *(Probe("other", other.check) for other in others)]
    assert await Probes(asked, now).ready()
    assert (log.asked, [other.asked for other in others]) == (1, [0, 0])


async def test_many_callers_at_once_ask_a_part_once() -> None:
    part, clock = Part(), [0]
    probes = Probes([Probe("log", part.check)], lambda: clock[0])
    await asyncio.gather(*(probes.findings() for _ in range(50)))
    assert part.asked == 1
    clock[0] = 2_000_000
    await probes.findings()
    assert part.asked == 1
    clock[0] = 2_000_001
    part.answer = Health.UNHEALTHY
    assert (await probes.findings()).status is Health.UNHEALTHY
    assert part.asked == 2
