"""Request bodies, read by the routes themselves: after the guard, so that a stranger's megabytes are not parsed."""

from __future__ import annotations

import json
from typing import Any, TypeVar
from urllib.parse import parse_qsl

from pydantic import BaseModel, ValidationError
from starlette.requests import Request

from ingest_api.problems import Malformed, TooLarge, invalid

M = TypeVar("M", bound=BaseModel)


async def read(request: Request, model: type[M], limit: int) -> M:
    """The JSON body, of at most `limit` bytes, as `model`.

    Raises TooLarge, Malformed for what is no JSON, Invalid with all field errors at once.
    """
    return _read(await body_within(request, limit), model)


async def body_within(request: Request, limit: int) -> bytes:
    """The body. Raises TooLarge as soon as it is: what is meant for anybody holds little memory."""
    parts, size = [], 0
    async for part in request.stream():
        size += len(part)
        if size > limit:
            raise TooLarge(limit)
        parts.append(part)
    return b"".join(parts)


def _read(body: bytes, model: type[M]) -> M:
    try:
        return model.model_validate_json(body)
    except ValidationError as error:
        raise invalid(error.errors(include_url=False, include_input=False)) from None


async def read_form(request: Request, model: type[M], limit: int = 16 * 1024) -> M:
    """The body as `model`, from JSON or, by its Content-Type, from a urlencoded form of at most `limit` bytes.

    Raises as `read` does, and TooLarge.
    """
    body = await body_within(request, limit)
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() == "application/json":
        return _read(body, model)
    try:
        fields: dict[str, Any] = dict(parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=50))
    except ValueError:
        raise Malformed("The body is not a urlencoded form") from None
    try:
        return model.model_validate(fields)
    except ValidationError as error:
        raise invalid(error.errors(include_url=False, include_input=False)) from None


def takes(model: type[BaseModel], *media_types: str) -> dict[str, Any]:
    """`openapi_extra` of a route that reads `model` from its body, in JSON unless media types are given.

    Nested models are hoisted into the document's components by openapi.document.
    """
    schema = model.model_json_schema(ref_template="#/components/schemas/{model}")
    content = {media_type: {"schema": json.loads(json.dumps(schema))} for media_type in media_types or _JSON}
    return {"requestBody": {"required": True, "content": content}}


_JSON = ("application/json",)
