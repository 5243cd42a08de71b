"""A route of each API family, for what must hold in a family before its own routes are there."""

from __future__ import annotations

from typing import Annotated

import pytest
from fastapi import APIRouter, Depends, FastAPI
from pydantic import BaseModel, Field
from starlette.requests import Request

from ingest_api import app
from ingest_api.auth import may
from ingest_api.bodies import read, takes
from ingest_api.domain import Domain
from ingest_api.domains import DOMAINS
from ingest_api.json import Json
from tests.doubles.door import app_with

PROBES = ("/api/experiments/probe", "/api/support/probe", "/api/v1/clients/probe", "/workers/probe")
router = APIRouter()


class Thing(BaseModel):
    name: Annotated[str, Field(min_length=1, max_length=8)]


async def probe(request: Request) -> Json:
    """Reads a body, as most routes do."""
    thing = await read(request, Thing, 1024)
    return Json({"name": thing.name})


for path in PROBES:
    router.post(path, dependencies=[Depends(may("admin"))], openapi_extra=takes(Thing))(probe)


def app_of_every_family(**overrides: object) -> FastAPI:
    """The real application with these routes besides."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(app, "DOMAINS", (*DOMAINS, Domain("probes", router)))
        return app_with(**overrides)
