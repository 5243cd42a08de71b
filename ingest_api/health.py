"""Whether the system works, for people and clients (`/health`) and for orchestrators (`/live`, `/ready`)."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import version
from typing import Annotated, Any

from fastapi import APIRouter, Depends
from pydantic import BaseModel, Field
from starlette.requests import Request

from ingest_api.auth import public
from ingest_api.json import Json
from ingest_api.limits import Limit
from ingest_api.probes import Health
from ingest_api.wiring import wiring_of
from pipeline.clock import iso

VERSION = version("thalweg")
_LIMIT = Limit("health", 600, 10_000)
LIMITS: Mapping[str, Limit] = {"/health": _LIMIT, "/api/v1/health": _LIMIT}
router = APIRouter(tags=["health"])


class HealthReport(BaseModel):
    status: Annotated[Health, Field(description="The worst of the components.")]
    timestamp: Annotated[str, Field(examples=["2025-01-15T10:30:00.000Z"])]
    version: Annotated[str, Field(examples=[VERSION])]
    algorithm_ready: Annotated[bool, Field(description="Whether points would be clustered now.")]
    uptime_seconds: Annotated[float, Field(description="Of this process.", examples=[86400.5])]
    notes: Annotated[
        list[str],
        Field(
            description="What somebody should look at. Records that none of our processes wrote make `log` degraded "
            "for a quarter of an hour.",
            examples=[[]],
        ),
    ]
    components: Annotated[
        dict[str, str],
        Field(
            description="`log` is Kafka, `database` is ClickHouse, `algorithm` the workers that cluster, `accounts` "
            "those that decide over users and keys. There is no Redis "
            "here: `redis` is always not_used, for clients that look it up.",
            examples=[
                {
                    "log": "healthy",
                    "database": "healthy",
                    "algorithm": "healthy",
                    "accounts": "healthy",
                    "redis": "not_used",
                }
            ],
        ),
    ]


_UNWELL: dict[int | str, dict[str, Any]] = {
    503: {"model": HealthReport, "description": "Degraded or unhealthy; the body says what."}
}


@router.get("/health", response_model=HealthReport, responses=_UNWELL, dependencies=[Depends(public())])
@router.get("/api/v1/health", response_model=HealthReport, responses=_UNWELL, dependencies=[Depends(public())])
async def health(request: Request) -> Json:
    """The parts were really asked, at most two seconds ago. 503 unless all are healthy."""
    wiring = wiring_of(request)
    found = await wiring.probes.findings()
    report = {
        "status": found.status,
        "timestamp": iso(wiring.clock()),
        "version": VERSION,
        "algorithm_ready": found.components.get("algorithm") is Health.HEALTHY,
        "uptime_seconds": round((wiring.clock() - request.app.state.opened_at) / 1_000_000, 3),
        "notes": list(wiring.notes()),
        "components": {**found.components, "redis": "not_used"},
    }
    return Json(report, 200 if found.status is Health.HEALTHY else 503)


@router.get("/live", dependencies=[Depends(public(limited=False))])
async def live() -> Json:
    """This process answers. Restart it when it does not."""
    return Json({"status": "alive"})


@router.get("/ready", responses={503: {"description": "Not ready"}}, dependencies=[Depends(public(limited=False))])
async def ready(request: Request) -> Json:
    """200 while this process can take requests; 503 takes it out of a balancer."""
    is_ready = await wiring_of(request).probes.ready()
    return Json({"status": "ready" if is_ready else "not_ready"}, 200 if is_ready else 503)
