"""A route of each API family, for what must hold in a family before its own routes are there."""

from __future__ import annotations

from typing import Annotated

import pytest
from fastapi import APIRouter, Depends, FastAPI
from pydantic import BaseModel, Field
from starlette.requests import Request

from ingest_api import app
from ingest_api.auth import may, public
from ingest_api.bodies import read, takes
from ingest_api.families import NEUROGRID
from ingest_api.json import Json
from ingest_api.problems import InvalidCredentials
from tests.doubles.door import app_with

PROBES = ("/api/experiments/probe", "/api/support/probe", "/api/v1/clients/probe", "/workers/probe")
SHARED = "/api/auth/logout"
"""One that answers in either of two forms."""

router = APIRouter()


class Thing(BaseModel):
    name: Annotated[str, Field(min_length=1, max_length=8)]


async def probe(request: Request) -> Json:
    """Reads a body, as most routes do."""
    thing = await read(request, Thing, 1024)
    return Json({"name": thing.name})


for path in PROBES:
    router.post(path, dependencies=[Depends(may("admin"))], openapi_extra=takes(Thing))(probe)


@router.post(SHARED, dependencies=[Depends(public())], openapi_extra=takes(Thing))
async def either(request: Request) -> Json:
    """Takes who calls itself a node for a client of NeuroGrid."""
    thing = await read(request, Thing, 1024)
    if thing.name == "node":
        request.state.envelope = NEUROGRID
    raise InvalidCredentials("Wrong", extra={"requires_2fa": True})


def app_of_every_family(**overrides: object) -> FastAPI:
    """The real application with these routes besides."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(app, "STREETS", (*app.STREETS, router))
        return app_with(**overrides)
