"""What requests to the registry ask about, found in the checked-in schemas."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, Field
from starlette.requests import Request

from ingest_api.bodies import read, takes
from ingest_api.json import Json
from ingest_api.registry.problems import (
    MEDIA_TYPE,
    invalid_version,
    schema_not_found,
    subject_not_found,
    version_not_found,
)
from ingest_api.wiring import wiring_of
from schemas.registry import Registry, Schema

T = TypeVar("T")
MAX_LOOKUP = 128 * 1024
"""Bytes of a schema to look up, with all that is around it: anyone may ask, and an answer takes a walk through it."""
_ASIDE = ThreadPoolExecutor(1, thread_name_prefix="registry")
_VERSION = re.compile(r"[1-9][0-9]{0,9}")

COMPATIBILITY = "FULL_TRANSITIVE"
"""What is held for every subject: the newest schema reads what any older one wrote, and they what it writes."""


class RegistryJson(Json):
    media_type = MEDIA_TYPE


class Wanted(BaseModel):
    """A schema to look up."""

    schema_text: Annotated[str, Field(alias="schema", description="The Avro schema, as a string of JSON.")]
    schema_type: Annotated[str | None, Field(alias="schemaType", examples=["AVRO"])] = None


MISSING: dict[int | str, dict[str, Any]] = {404: {"description": "No such subject, version or schema"}}
UNUSABLE: dict[int | str, dict[str, Any]] = {422: {"description": "Not a version number, or not a usable schema"}}
TAKES = takes(Wanted, MEDIA_TYPE, "application/json")


async def aside(work: Callable[..., T], *arguments: Any) -> T:
    """What walks through a stranger's schema, one at a time, beside the loop and beside what else waits for threads."""
    return await asyncio.get_running_loop().run_in_executor(_ASIDE, partial(work, *arguments))


async def wanted(request: Request) -> Wanted:
    """The schema in the body. Raises as `bodies.read` does."""
    return await read(request, Wanted, MAX_LOOKUP)


def registry_of(request: Request) -> Registry:
    return wiring_of(request).registry


def ids_of(request: Request, subject: str) -> list[int]:
    held = registry_of(request).subjects.get(subject)
    if held is None:
        raise subject_not_found(subject)
    return list(held)


def version_of(request: Request, subject: str, version: str) -> tuple[int, Schema]:
    ids = ids_of(request, subject)
    if version in ("latest", "-1"):
        number = len(ids)
    elif _VERSION.fullmatch(version):
        number = int(version)
    else:
        raise invalid_version(version)
    if number > len(ids):
        raise version_not_found(version)
    return number, registry_of(request).schemas[ids[number - 1]]


def schema_of(request: Request, schema_id: str) -> Schema:
    number = int(schema_id) if schema_id.isascii() and schema_id.isdigit() and len(schema_id) <= 10 else -1
    schema = registry_of(request).schemas.get(number)
    if schema is None:
        raise schema_not_found()
    return schema
