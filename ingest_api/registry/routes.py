"""The read half of Confluent's Schema Registry API (its reference, version 7), over the checked-in schemas.

Schemas are public, as the code that holds them is. `normalize`, `deleted`, `format` and `subject` parameters are
accepted and change nothing: nothing is ever deleted here, and schemas are compared in Parsing Canonical Form.
"""

from __future__ import annotations

import re
from typing import Annotated, Any

from fastapi import APIRouter, Depends
from pydantic import BaseModel, Field
from starlette.requests import Request
from starlette.responses import Response

from ingest_api.auth import public
from ingest_api.bodies import read, takes
from ingest_api.json import Json
from ingest_api.registry.problems import (
    ENVELOPE,
    MEDIA_TYPE,
    invalid_schema,
    invalid_version,
    read_only,
    schema_not_found,
    subject_not_found,
    version_not_found,
)
from ingest_api.wiring import wiring_of
from schemas.registry import Registry, Schema

__all__ = ["ENVELOPE", "router"]

MAX_LOOKUP = 128 * 1024
"""Bytes of a schema to look up, with all that is around it: anyone may ask, and an answer takes a walk through it."""
_VERSION = re.compile(r"[1-9][0-9]{0,9}")

COMPATIBILITY = "FULL_TRANSITIVE"
"""What is held for every subject: the newest schema reads what any older one wrote."""


class RegistryJson(Json):
    media_type = MEDIA_TYPE


class Wanted(BaseModel):
    """A schema to look up."""

    schema_text: Annotated[str, Field(alias="schema", description="The Avro schema, as a string of JSON.")]
    schema_type: Annotated[str | None, Field(alias="schemaType", examples=["AVRO"])] = None


_MISSING: dict[int | str, dict[str, Any]] = {404: {"description": "No such subject, version or schema"}}
_UNUSABLE: dict[int | str, dict[str, Any]] = {422: {"description": "Not a version number, or not a usable schema"}}

router = APIRouter(tags=["schema registry"], dependencies=[Depends(public())], default_response_class=RegistryJson)
_TAKES = takes(Wanted, MEDIA_TYPE, "application/json")


@router.get("/subjects")
async def subjects(request: Request, subjectPrefix: str = "") -> Response:  # noqa: N803 (the parameter's name)
    """The names of all subjects."""
    return RegistryJson([name for name in _registry(request).subjects if name.startswith(subjectPrefix)])


@router.get("/subjects/{subject}/versions", responses=_MISSING)
async def versions(request: Request, subject: str) -> Response:
    """The subject's version numbers."""
    return RegistryJson(list(range(1, len(_ids(request, subject)) + 1)))


@router.get("/subjects/{subject}/versions/{version}", responses=_MISSING | _UNUSABLE)
async def by_version(request: Request, subject: str, version: str) -> Response:
    """One version of a subject, or the `latest`."""
    number, schema = _version(request, subject, version)
    return RegistryJson(_registered(subject, number, schema))


@router.get("/subjects/{subject}/versions/{version}/schema", responses=_MISSING | _UNUSABLE)
async def text_by_version(request: Request, subject: str, version: str) -> Response:
    """The schema alone."""
    return RegistryJson(_version(request, subject, version)[1].definition)


@router.post("/subjects/{subject}", openapi_extra=_TAKES, responses=_MISSING)
async def look_up(request: Request, subject: str) -> Response:
    """Under which version and id the subject holds this schema."""
    found = await _find(request, subject)
    if found is None:
        raise schema_not_found()
    return RegistryJson(_registered(subject, *found))


@router.post("/subjects/{subject}/versions", openapi_extra=_TAKES, responses=_MISSING)
async def register(request: Request, subject: str) -> Response:
    """The id of a schema the subject holds already. New ones are refused: this registry is read-only."""
    found = await _find(request, subject)
    if found is None:
        raise read_only()
    return RegistryJson({"id": found[1].id})


@router.get("/schemas/types")
async def types() -> Response:
    """The kinds of schema there are."""
    return RegistryJson(["AVRO"])


@router.get("/schemas/ids/{schema_id}", responses=_MISSING)
async def by_id(request: Request, schema_id: str) -> Response:
    """The schema that a message's four bytes name."""
    return RegistryJson({"schema": _schema(request, schema_id).text})


@router.get("/schemas/ids/{schema_id}/schema", responses=_MISSING)
async def text_by_id(request: Request, schema_id: str) -> Response:
    """The schema alone."""
    return RegistryJson(_schema(request, schema_id).definition)


@router.get("/schemas/ids/{schema_id}/subjects", responses=_MISSING)
async def subjects_by_id(request: Request, schema_id: str) -> Response:
    """The subjects that hold it."""
    held = _registry(request).subjects_of(_schema(request, schema_id).id)
    return RegistryJson([subject for subject, _ in held])


@router.get("/schemas/ids/{schema_id}/versions", responses=_MISSING)
async def versions_by_id(request: Request, schema_id: str) -> Response:
    """The subjects and versions that hold it."""
    held = _registry(request).subjects_of(_schema(request, schema_id).id)
    return RegistryJson([{"subject": subject, "version": version} for subject, version in held])


@router.get("/config")
async def config() -> Response:
    """What a new version of a schema must fulfil."""
    return RegistryJson({"compatibilityLevel": COMPATIBILITY})


@router.get("/config/{subject}", responses=_MISSING)
async def config_of(request: Request, subject: str) -> Response:
    """The same; it holds for every subject."""
    _ids(request, subject)
    return RegistryJson({"compatibilityLevel": COMPATIBILITY})


@router.get("/mode")
async def mode() -> Response:
    """READONLY: schemas are checked in with the project."""
    return RegistryJson({"mode": "READONLY"})


def _registry(request: Request) -> Registry:
    return wiring_of(request).registry


def _ids(request: Request, subject: str) -> list[int]:
    held = _registry(request).subjects.get(subject)
    if held is None:
        raise subject_not_found(subject)
    return list(held)


def _version(request: Request, subject: str, version: str) -> tuple[int, Schema]:
    ids = _ids(request, subject)
    if version in ("latest", "-1"):
        number = len(ids)
    elif _VERSION.fullmatch(version):
        number = int(version)
    else:
        raise invalid_version(version)
    if number > len(ids):
        raise version_not_found(version)
    return number, _registry(request).schemas[ids[number - 1]]


def _schema(request: Request, schema_id: str) -> Schema:
    number = int(schema_id) if schema_id.isascii() and schema_id.isdigit() and len(schema_id) <= 10 else -1
    schema = _registry(request).schemas.get(number)
    if schema is None:
        raise schema_not_found()
    return schema


async def _find(request: Request, subject: str) -> tuple[int, Schema] | None:
    wanted = await read(request, Wanted, MAX_LOOKUP)
    _ids(request, subject)
    if wanted.schema_type not in (None, "AVRO"):
        return None
    try:
        return _registry(request).find(subject, wanted.schema_text)
    except ValueError as error:
        raise invalid_schema(str(error)[:300]) from None


def _registered(subject: str, version: int, schema: Schema) -> dict[str, Any]:
    return {"subject": subject, "version": version, "id": schema.id, "schema": schema.text}
