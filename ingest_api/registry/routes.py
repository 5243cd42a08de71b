"""The read half of Confluent's Schema Registry API (its reference, version 7), over the checked-in schemas.

Schemas are public, as the code that holds them is. `normalize`, `deleted`, `format` and `subject` parameters are
accepted and change nothing: nothing is ever deleted here, and schemas are compared in Parsing Canonical Form.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query
from starlette.requests import Request
from starlette.responses import Response

from ingest_api.auth import public
from ingest_api.registry.lookup import (
    COMPATIBILITY,
    MISSING,
    TAKES,
    UNUSABLE,
    RegistryJson,
    aside,
    ids_of,
    registry_of,
    schema_of,
    version_of,
    wanted,
)
from ingest_api.registry.problems import ENVELOPE, invalid_schema, read_only, schema_not_found
from schemas.registry import Registry, Schema

__all__ = ["ENVELOPE", "router"]

router = APIRouter(tags=["schema registry"], dependencies=[Depends(public())], default_response_class=RegistryJson)


@router.get("/subjects")
async def subjects(request: Request, subjectPrefix: str = "") -> Response:  # noqa: N803 (the parameter's name)
    """The names of all subjects."""
    return RegistryJson([name for name in registry_of(request).subjects if name.startswith(subjectPrefix)])


@router.get("/subjects/{subject}/versions", responses=MISSING)
async def versions(request: Request, subject: str) -> Response:
    """The subject's version numbers."""
    return RegistryJson(list(range(1, len(ids_of(request, subject)) + 1)))


@router.get("/subjects/{subject}/versions/{version}", responses=MISSING | UNUSABLE)
async def by_version(request: Request, subject: str, version: str) -> Response:
    """One version of a subject, or the `latest`."""
    number, schema = version_of(request, subject, version)
    return RegistryJson(_registered(subject, number, schema))


@router.get("/subjects/{subject}/versions/{version}/schema", responses=MISSING | UNUSABLE)
async def text_by_version(request: Request, subject: str, version: str) -> Response:
    """The schema alone."""
    return RegistryJson(version_of(request, subject, version)[1].definition)


@router.get("/subjects/{subject}/versions/{version}/referencedby", responses=MISSING | UNUSABLE)
async def referenced_by(request: Request, subject: str, version: str) -> Response:
    """Ids of the schemas that refer to this one: none, since each of ours stands for itself."""
    version_of(request, subject, version)
    return RegistryJson([])


@router.post("/subjects/{subject}", openapi_extra=TAKES, responses=MISSING)
async def look_up(request: Request, subject: str) -> Response:
    """Under which version and id the subject holds this schema."""
    found = await _find(request, subject)
    if found is None:
        raise schema_not_found()
    return RegistryJson(_registered(subject, *found))


@router.post("/subjects/{subject}/versions", openapi_extra=TAKES, responses=MISSING)
async def register(request: Request, subject: str) -> Response:
    """The id of a schema the subject holds already. New ones are refused: this registry is read-only."""
    found = await _find(request, subject)
    if found is None:
        raise read_only()
    return RegistryJson({"id": found[1].id})


@router.get("/schemas")
async def schemas(
    request: Request,
    subjectPrefix: str = "",  # noqa: N803 (the parameter's name)
    latestOnly: bool = False,  # noqa: N803
    offset: Annotated[int, Query(ge=0)] = 0,
    limit: Annotated[int, Query(ge=-1, description="-1: all")] = -1,
) -> Response:
    """Every version of every subject."""
    held = [each for each in _all(registry_of(request), latestOnly) if each["subject"].startswith(subjectPrefix)]
    return RegistryJson(held[offset : None if limit < 0 else offset + limit])


@router.get("/schemas/types")
async def types() -> Response:
    """The kinds of schema there are."""
    return RegistryJson(["AVRO"])


@router.get("/schemas/ids/{schema_id}", responses=MISSING)
async def by_id(request: Request, schema_id: str) -> Response:
    """The schema that a message's four bytes name."""
    return RegistryJson({"schema": schema_of(request, schema_id).text})


@router.get("/schemas/ids/{schema_id}/schema", responses=MISSING)
async def text_by_id(request: Request, schema_id: str) -> Response:
    """The schema alone."""
    return RegistryJson(schema_of(request, schema_id).definition)


@router.get("/schemas/ids/{schema_id}/subjects", responses=MISSING)
async def subjects_by_id(request: Request, schema_id: str) -> Response:
    """The subjects that hold it."""
    held = registry_of(request).subjects_of(schema_of(request, schema_id).id)
    return RegistryJson([subject for subject, _ in held])


@router.get("/schemas/ids/{schema_id}/versions", responses=MISSING)
async def versions_by_id(request: Request, schema_id: str) -> Response:
    """The subjects and versions that hold it."""
    held = registry_of(request).subjects_of(schema_of(request, schema_id).id)
    return RegistryJson([{"subject": subject, "version": version} for subject, version in held])


@router.get("/config")
async def config() -> Response:
    """What a new version of a schema must fulfil."""
    return RegistryJson({"compatibilityLevel": COMPATIBILITY})


@router.get("/config/{subject}", responses=MISSING)
async def config_of(request: Request, subject: str) -> Response:
    """The same; it holds for every subject."""
    ids_of(request, subject)
    return RegistryJson({"compatibilityLevel": COMPATIBILITY})


@router.get("/mode")
async def mode() -> Response:
    """READONLY: schemas are checked in with the project."""
    return RegistryJson({"mode": "READONLY"})


@router.get("/mode/{subject}", responses=MISSING)
async def mode_of(request: Request, subject: str) -> Response:
    """The same; it holds for every subject."""
    ids_of(request, subject)
    return RegistryJson({"mode": "READONLY"})


async def _find(request: Request, subject: str) -> tuple[int, Schema] | None:
    asked = await wanted(request)
    ids_of(request, subject)
    if asked.schema_type not in (None, "AVRO"):
        return None
    try:
        return await aside(registry_of(request).find, subject, asked.schema_text)
    except ValueError as error:
        raise invalid_schema(str(error)[:300]) from None


def _all(registry: Registry, latest_only: bool) -> Iterator[dict[str, Any]]:
    for subject, ids in registry.subjects.items():
        for version, schema_id in enumerate(ids, 1):
            if version == len(ids) or not latest_only:
                yield _registered(subject, version, registry.schemas[schema_id])


def _registered(subject: str, version: int, schema: Schema) -> dict[str, Any]:
    return {"subject": subject, "version": version, "id": schema.id, "schema": schema.text}
