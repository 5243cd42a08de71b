"""From a failure to an HTTP answer, in this one place.

Whatever goes wrong becomes a `Problem`; the envelope it is written in is chosen by path, since every API family
documents its own. What a Problem says is meant for the caller: it holds nothing of the inside.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection

from ingest_api.json import Json
from pipeline.clock import Clock, iso
from pipeline.errors import Failure, Misconfigured, Overloaded, Unavailable

MAX_FIELD_ERRORS = 100
_LOG = logging.getLogger("thalweg.api")


class Problem(Exception):
    """An answer that is not a success. `code` is one of the documented words, `message` one sentence."""

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        details: Any = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status, self.code, self.message, self.details = status, code, message, details
        self.headers = dict(headers or {})

    @property
    def detail(self) -> str:
        """The whole of it in one string, for clients that read nothing else."""
        return self.message


@dataclass(frozen=True, slots=True)
class FieldError:
    """What is wrong with one field. `field` is its path, dots between: `points.0`."""

    field: str
    message: str


class Invalid(Problem):
    """Well-formed, but some fields cannot be used: all of them are told at once, up to MAX_FIELD_ERRORS."""

    def __init__(self, errors: Sequence[FieldError], status: int = 422) -> None:
        told = list(errors[:MAX_FIELD_ERRORS])
        message = "Request validation failed"
        if len(errors) > len(told):
            message += f": only the first {len(told)} errors are listed"
        super().__init__(status, "VALIDATION_ERROR", message, told)
        self.errors = told

    @property
    def detail(self) -> str:
        return f"{self.message}: " + "; ".join(f"{error.field}: {error.message}" for error in self.errors[:5])


class Malformed(Problem):
    """The body cannot even be read as what it claims to be."""

    def __init__(self, message: str) -> None:
        super().__init__(400, "VALIDATION_ERROR", message, [FieldError("body", message)])


class Unauthenticated(Problem):
    """No credential, or one that is not accepted (RFC 6750, 3)."""

    def __init__(self, message: str = "Authentication required", *, error: str | None = None) -> None:
        challenge = 'Bearer realm="thalweg"' + (f', error="{error}"' if error else "")
        super().__init__(401, "AUTHENTICATION_ERROR", message, headers={"WWW-Authenticate": challenge})


class Forbidden(Problem):
    def __init__(self, permission: str) -> None:
        super().__init__(
            403, "AUTHORIZATION_ERROR", f"The permission {permission} is missing", {"missing": [permission]}
        )
        self.permission = permission


class NotFound(Problem):
    def __init__(self, message: str = "There is nothing at this address") -> None:
        super().__init__(404, "NOT_FOUND", message)


class TooLarge(Problem):
    def __init__(self, limit: int) -> None:
        super().__init__(413, "VALIDATION_ERROR", f"The body is larger than {limit} bytes", {"limit_bytes": limit})


class Encoded(Problem):
    """What is sent compressed is not unpacked here: a few bytes could become gigabytes."""

    def __init__(self, encoding: str) -> None:
        message = f"A body with Content-Encoding {encoding[:40]} is not read; send it as it is"
        super().__init__(415, "VALIDATION_ERROR", message, headers={"Accept-Encoding": "identity"})


class TooSlow(Problem):
    def __init__(self, seconds: float) -> None:
        super().__init__(408, "VALIDATION_ERROR", f"The body did not arrive within {seconds:g} s")


class RateLimited(Problem):
    """`window` and `retry_after` are whole seconds."""

    def __init__(self, limit: int, window: int, retry_after: int, headers: Mapping[str, str]) -> None:
        details = {"limit": limit, "window": f"{window}s", "retry_after": retry_after}
        super().__init__(429, "RATE_LIMIT_ERROR", "Rate limit exceeded", details, headers)
        self.retry_after = retry_after


class Busy(Problem):
    """Something the answer needs is not there now, and may be later."""

    def __init__(self, message: str, retry_after: float = 1.0, details: Any = None) -> None:
        seconds = max(1, math.ceil(retry_after))
        super().__init__(503, "RESOURCE_ERROR", message, details, {"Retry-After": str(seconds)})


_CODES = {
    401: "AUTHENTICATION_ERROR",
    403: "AUTHORIZATION_ERROR",
    404: "NOT_FOUND",
    405: "METHOD_NOT_ALLOWED",
    429: "RATE_LIMIT_ERROR",
    503: "RESOURCE_ERROR",
}


def problem_of(error: Exception) -> Problem:
    """The Problem an exception stands for. What is not known to be the caller's business says nothing of itself."""
    if isinstance(error, Problem):
        return error
    if isinstance(error, RequestValidationError):
        return invalid(error.errors())
    if isinstance(error, HTTPException):
        return _of_status(error)
    if isinstance(error, Overloaded):
        return Busy("The system is at its limit; try again later", error.retry_after)
    if isinstance(error, Unavailable):
        return Busy("A part of the system does not answer; try again later")
    if isinstance(error, Misconfigured):
        return Problem(500, "CONFIGURATION_ERROR", "The server's configuration does not allow this")
    return Problem(500, "PROCESSING_ERROR", "The request failed inside the server")


def invalid(errors: Sequence[Any]) -> Problem:
    """The Problem of pydantic's list of errors."""
    for each in errors:
        if each["type"] == "json_invalid":
            return Malformed(f"The body is not valid JSON: {each.get('ctx', {}).get('error', 'it does not parse')}")
    return Invalid([FieldError(_path(each["loc"]), each["msg"].removeprefix("Value error, ")) for each in errors])


def _path(location: Sequence[str | int]) -> str:
    inside = location[1:] if location and location[0] in ("body", "query", "path", "header", "cookie") else location
    return ".".join(map(str, inside or location)) or "body"


def _of_status(error: HTTPException) -> Problem:
    status = error.status_code
    code = _CODES.get(status, "VALIDATION_ERROR" if status < 500 else "PROCESSING_ERROR")
    message = "There is nothing at this address" if status == 404 else str(error.detail or HTTPStatus(status).phrase)
    return Problem(status, code, message, headers=error.headers)


@dataclass(frozen=True, slots=True)
class Occasion:
    """When and in which request a problem arose. `timestamp` is RFC 3339."""

    request_id: str
    timestamp: str


@dataclass(frozen=True, slots=True)
class Envelope:
    """How one API family writes its errors: the paths it holds for, the body, and the JSON Schema of that body,
    which OpenAPI lists under `name`."""

    name: str
    prefixes: tuple[str, ...]
    body: Callable[[Problem, Occasion], dict[str, Any]]
    schema: Mapping[str, Any]
    media_type: str = "application/json"

    def holds_for(self, path: str) -> bool:
        return any(path == prefix or path.startswith(prefix.rstrip("/") + "/") for prefix in self.prefixes)


def standard(problem: Problem, occasion: Occasion) -> dict[str, Any]:
    """The documented error shape of the streaming API, with the `detail` string its clients read."""
    error = {"code": problem.code, "message": problem.message, "details": problem.details}
    if isinstance(problem, RateLimited):
        error["retry_after"] = problem.retry_after
    return {
        "success": False,
        "error": error,
        "request_id": occasion.request_id,
        "timestamp": occasion.timestamp,
        "detail": problem.detail,
    }


_STANDARD_SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["success", "error", "request_id", "timestamp", "detail"],
    "properties": {
        "success": {"const": False},
        "error": {
            "type": "object",
            "required": ["code", "message", "details"],
            "properties": {
                "code": {"type": "string", "examples": ["VALIDATION_ERROR"]},
                "message": {"type": "string"},
                "details": {"description": "Depends on the code; for field errors a list of field and message."},
                "retry_after": {"type": "integer", "description": "Seconds; with RATE_LIMIT_ERROR."},
            },
        },
        "request_id": {"type": "string", "examples": ["req_0123456789abcdef"]},
        "timestamp": {"type": "string", "format": "date-time"},
        "detail": {"type": "string", "description": "The same in one string."},
    },
}
STANDARD = Envelope("Error", ("/",), standard, _STANDARD_SCHEMA)


def envelope_for(path: str, envelopes: Sequence[Envelope]) -> Envelope:
    """The first that holds for the path; STANDARD holds for the rest."""
    return next((envelope for envelope in envelopes if envelope.holds_for(path)), STANDARD)


@dataclass(frozen=True)
class Renderer:
    """Writes problems in the envelope of their path."""

    clock: Clock
    envelopes: Sequence[Envelope] = field(default=())

    def render(self, connection: HTTPConnection, error: Exception) -> Json:
        problem = problem_of(error)
        occasion = Occasion(request_id_of(connection), iso(self.clock()))
        if problem.status >= 500 and problem is not error:
            known = isinstance(error, Failure) and error.retryable
            _LOG.error("%s %s failed: %s", occasion.request_id, connection.url.path, error, exc_info=not known)
        envelope = envelope_for(connection.url.path, self.envelopes)
        body = envelope.body(problem, occasion)
        return Json(body, problem.status, headers=problem.headers, media_type=envelope.media_type)

    async def handle(self, connection: HTTPConnection, error: Exception) -> Json:
        """The same, as Starlette calls exception handlers."""
        return self.render(connection, error)


def request_id_of(connection: HTTPConnection) -> str:
    """The id that requests.Requests gave this request."""
    return str(connection.scope.get("state", {}).get("request_id", ""))
