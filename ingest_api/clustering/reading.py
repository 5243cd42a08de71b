"""From bytes to a body: fast when it is right, looked through field by field when it is not."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any, TypeVar

import msgspec

from ingest_api.clustering.bodies import Batch, Config
from ingest_api.clustering.checks import check_config, wrong_points
from ingest_api.problems import MAX_FIELD_ERRORS, FieldError, Invalid, Malformed

T = TypeVar("T", bound=msgspec.Struct)

MAX_BATCHES = 1000
_TOO_DEEP = "The body is nested too deeply"


def read(body: bytes, kind: type[T], most_points: int) -> T:
    """Raises Malformed for what is no JSON, Invalid with every field of a wrong type."""
    try:
        return msgspec.json.decode(body, type=kind)
    except msgspec.ValidationError as error:
        errors = list(islice(_wrong_body(_any(body), kind, most_points), MAX_FIELD_ERRORS + 1))
        raise Invalid(errors or [_field_error(error)]) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Malformed(f"The body is not valid JSON: {error}") from None
    except RecursionError:
        raise Malformed(_TOO_DEEP) from None


def read_config(given: Any) -> tuple[Config | None, list[FieldError]]:
    """A `clustering_config` out of JSON that is decoded already."""
    if given is None:
        return None, []
    try:
        config = msgspec.convert(given, Config)
    except msgspec.ValidationError as error:
        return None, [_field_error(error, "clustering_config")]
    return config, check_config(config)


def _any(body: bytes) -> Any:
    """By the standard library, which takes 1e999 for infinity where msgspec stops: so its place can be told."""
    try:
        return json.loads(body)
    except json.JSONDecodeError as error:
        raise Malformed(f"The body is not valid JSON: {error}") from None
    except ValueError:  # Python reads no integer of more than 4,300 digits
        raise Malformed("The body has a number that is too long to be read") from None
    except RecursionError:
        raise Malformed(_TOO_DEEP) from None


def _wrong_body(content: Any, kind: type[msgspec.Struct], most_points: int) -> Iterator[FieldError]:
    if isinstance(content, dict):
        yield from _wrong_fields(content, kind, "", most_points)
    else:
        yield FieldError("body", "Must be an object")


def _wrong_fields(
    content: Mapping[str, Any], kind: type[msgspec.Struct], prefix: str, most_points: int
) -> Iterator[FieldError]:
    for field in msgspec.structs.fields(kind):
        path = f"{prefix}{field.name}"
        if field.name not in content:
            if field.required:
                yield FieldError(path, "Field required")
        elif field.name == "points":
            yield from wrong_points(content["points"], path, most_points)
        elif field.name == "batches" and isinstance(content["batches"], list):
            yield from _wrong_batches(content["batches"], most_points)
        else:
            try:
                msgspec.convert(content[field.name], field.type)
            except (msgspec.ValidationError, RecursionError) as error:
                yield _field_error(error, path)


def _wrong_batches(batches: list[Any], most_points: int) -> Iterator[FieldError]:
    if not 0 < len(batches) <= MAX_BATCHES:
        yield FieldError("batches", f"1 to {MAX_BATCHES} batches, not {len(batches)}")
        return
    for index, batch in enumerate(batches):
        if isinstance(batch, dict):
            yield from _wrong_fields(batch, Batch, f"batches.{index}.", most_points)
        else:
            yield FieldError(f"batches.{index}", "Must be an object with batch_id and points")


def _field_error(error: Exception, path: str = "") -> FieldError:
    """msgspec says `Expected ... - at `$.a[0].b``; the documented form of a path is a.0.b."""
    message, _, where = str(error).partition(" - at `$")
    inside = where.rstrip("`").replace("[", ".").replace("]", "").strip(".")
    field = ".".join(part for part in (path, inside) if part)
    return FieldError(field or "body", message)
