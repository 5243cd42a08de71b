"""Request bodies, read by the routes themselves: after the guard, so that a stranger's megabytes are not parsed."""

from __future__ import annotations

import json
from typing import Any, TypeVar
from urllib.parse import parse_qsl

from pydantic import BaseModel, ValidationError
from starlette.requests import Request

from ingest_api.problems import Malformed, TooLarge, invalid

M = TypeVar("M", bound=BaseModel)


async def read(request: Request, model: type[M]) -> M:
    """The JSON body as `model`. Raises Malformed for what is no JSON, Invalid with all field errors at once."""
    body = await request.body()
    try:
        return model.model_validate_json(body)
    except ValidationError as error:
        raise invalid(error.errors(include_url=False, include_input=False)) from None


async def read_form(request: Request, model: type[M], limit: int = 16 * 1024) -> M:
    """The body as `model`, from JSON or, by its Content-Type, from a urlencoded form of at most `limit` bytes.

    Raises as `read` does, and TooLarge.
    """
    body = await request.body()
    if len(body) > limit:
        raise TooLarge(limit)
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() == "application/json":
        return await read(request, model)
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
