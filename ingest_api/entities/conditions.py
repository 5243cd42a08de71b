"""Optimistic concurrency over HTTP: an entity's version as its ETag, If-Match to insist on it (RFC 9110, 13.1.1)."""

from __future__ import annotations

import re
from typing import Any

from starlette.requests import Request

from ingest_api.json import Json
from ingest_api.problems import FieldError, Problem
from schemas.entity import Entity

_TAG = re.compile(r'"([1-9][0-9]{0,17})"')


def expected_version(request: Request, given: int | None = None) -> int | None:
    """The version that the caller has seen, from If-Match or else from the body; None where any will do. Raises Problem
    400 for a tag that is not ours."""
    header = request.headers.get("if-match", "").strip()
    if header in ("", "*"):
        return given
    tag = _TAG.fullmatch(header)
    if tag is None:
        told = [FieldError("If-Match", 'The ETag of an answer, as "3"')]
        raise Problem(400, "VALIDATION_ERROR", "If-Match cannot be used", told)
    return int(tag[1])


def entity_answer(entity: Entity, content: Any, status: int = 200) -> Json:
    """With the entity's ETag."""
    return Json(content, status, headers={"ETag": f'"{entity.version}"'})
