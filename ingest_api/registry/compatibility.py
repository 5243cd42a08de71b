"""Whether a schema could be the next version of a subject: the compatibility half of Confluent's read API."""

from __future__ import annotations

import json
from collections.abc import Sequence

from fastapi import APIRouter, Depends
from starlette.requests import Request
from starlette.responses import Response

from ingest_api.auth import public
from ingest_api.registry.lookup import (
    MISSING,
    TAKES,
    UNUSABLE,
    RegistryJson,
    aside,
    ids_of,
    registry_of,
    version_of,
    wanted,
)
from ingest_api.registry.problems import invalid_schema
from schemas.compatibility import breaches
from schemas.registry import Schema, canonical

router = APIRouter(tags=["schema registry"], dependencies=[Depends(public())], default_response_class=RegistryJson)


@router.post("/compatibility/subjects/{subject}/versions/{version}", openapi_extra=TAKES, responses=MISSING | UNUSABLE)
async def with_version(request: Request, subject: str, version: str, verbose: bool = False) -> Response:
    """Whether the schema could follow that version, or the `latest`: each reads what the other writes. `verbose` says
    what stands against it."""
    return await _answered(request, [version_of(request, subject, version)[1]], verbose)


@router.post("/compatibility/subjects/{subject}/versions", openapi_extra=TAKES, responses=MISSING | UNUSABLE)
async def with_all_versions(request: Request, subject: str, verbose: bool = False) -> Response:
    """The same, with every version of the subject, as is held here."""
    registry = registry_of(request)
    return await _answered(request, [registry.schemas[each] for each in ids_of(request, subject)], verbose)


async def _answered(request: Request, versions: Sequence[Schema], verbose: bool) -> Response:
    asked = await wanted(request)
    if asked.schema_type not in (None, "AVRO"):
        raise invalid_schema("only Avro is held here")
    try:
        told = await aside(_against, versions, asked.schema_text)
    except ValueError as error:
        raise invalid_schema(str(error)[:300]) from None
    return RegistryJson({"is_compatible": not told} | ({"messages": told} if verbose else {}))


def _against(versions: Sequence[Schema], text: str) -> list[str]:
    """Raises ValueError for what is no schema, or too intricate to be compared."""
    canonical(text)
    given = json.loads(text)
    try:
        return [str(each) for version in versions for each in breaches(version.definition, given)]
    except (RecursionError, KeyError, TypeError):  # what a parser let pass
        raise ValueError("not an Avro schema") from None
