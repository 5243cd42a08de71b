"""What a WebSocket client says, read."""

from __future__ import annotations

from typing import Any

import msgspec

from ingest_api.problems import FieldError, Invalid, Problem

Json = dict[str, Any]


def parsed(raw: bytes | str) -> Json:
    """Raises Problem 400, telling what is wrong, and RecursionError for what is nested too deeply."""
    try:
        message = msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Problem(400, "VALIDATION_ERROR", "The message is not valid JSON", str(error)) from None
    if not isinstance(message, dict):
        raise Problem(400, "VALIDATION_ERROR", "A message is a JSON object with a type")
    return message


def strings(message: Json, name: str) -> list[str]:
    """A field that is a string or a list of strings, as a list. Raises Invalid."""
    value = message.get(name)
    listed = [value] if isinstance(value, str) else value
    if listed is None:
        return []
    if not isinstance(listed, list) or not all(isinstance(each, str) for each in listed):
        raise Invalid([FieldError(name, "a string or a list of strings")])
    return listed
