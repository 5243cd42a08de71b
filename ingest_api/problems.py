"""Whatever goes wrong becomes a `Problem`, in this one place: which status, which word, which sentence.

What a Problem says is meant for the caller: it holds nothing of the inside. How it is written down is not decided
here: every API family documents its own form of error (`envelopes`, `families`).

    Problem
    ├── Invalid              422  fields that cannot be used
    ├── Malformed            400  a body that is not what it claims to be
    ├── Unauthenticated      401  no credential, or one that is not accepted
    │   ├── InvalidCredentials    a wrong password or code
    │   └── TokenExpired          was accepted once
    ├── Forbidden            403  a permission is missing
    ├── NotFound             404
    ├── TooSlow              408
    ├── Conflict             409  not in the state that things are in
    ├── TooLarge             413
    ├── Encoded              415
    ├── RateLimited          429
    └── Busy                 503  pipeline.errors.Unavailable and Overloaded

Every other failure of `pipeline.errors`, and whatever else is raised, is a plain Problem 500.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection

from pipeline.errors import Misconfigured, Overloaded, Unavailable

MAX_FIELD_ERRORS = 100


class Problem(Exception):
    """An answer that is not a success. `message` is one sentence.

    `code` is a word of the streaming API, which every family knows how to say; `reason`, where there is one, is a
    finer word (`TOKEN_EXPIRED`), which some families say instead. `extra` are further facts: beside the message
    where a family documents that, else among the details.
    """

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        details: Any = None,
        headers: Mapping[str, str] | None = None,
        *,
        reason: str = "",
        extra: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(message)
        self.status, self.code, self.message, self.details = status, code, message, details
        self.headers = dict(headers or {})
        self.reason = reason
        self.extra: Mapping[str, Any] = dict(extra or {})

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
    """No credential, or one that is not accepted (RFC 6750, 3); `error` is that document's word for the latter."""

    def __init__(
        self,
        message: str = "Authentication required",
        *,
        error: str | None = None,
        reason: str = "",
        extra: Mapping[str, Any] | None = None,
    ) -> None:
        challenge = 'Bearer realm="thalweg"' + (f', error="{error}"' if error else "")
        reason = reason or ("INVALID_CREDENTIALS" if error else "AUTH_REQUIRED")
        headers = {"WWW-Authenticate": challenge}
        super().__init__(401, "AUTHENTICATION_ERROR", message, None, headers, reason=reason, extra=extra)


class InvalidCredentials(Unauthenticated):
    """What was given to log in with is wrong, or not all that is needed."""

    def __init__(
        self,
        message: str = "The user name or the password is wrong",
        *,
        reason: str = "INVALID_CREDENTIALS",
        extra: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(message, reason=reason, extra=extra)


class TokenExpired(Unauthenticated):
    def __init__(self, message: str = "The token has expired") -> None:
        super().__init__(message, error="invalid_token", reason="TOKEN_EXPIRED")


class Forbidden(Problem):
    def __init__(self, permission: str) -> None:
        super().__init__(
            403, "AUTHORIZATION_ERROR", f"The permission {permission} is missing", {"missing": [permission]}
        )
        self.permission = permission


class NotFound(Problem):
    """`details` may name what was looked for, `reason` say what kind of thing it was: `NETWORK_NOT_FOUND`."""

    def __init__(
        self, message: str = "There is nothing at this address", details: Any = None, *, reason: str = ""
    ) -> None:
        super().__init__(404, "NOT_FOUND", message, details, reason=reason)


class Conflict(Problem):
    """Well-formed and permitted, but not as things stand: a name that is taken, a state that forbids it."""

    def __init__(self, message: str, details: Any = None, *, reason: str = "") -> None:
        super().__init__(409, "CONFLICT", message, details, reason=reason)


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
    409: "CONFLICT",
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


def request_id_of(connection: HTTPConnection) -> str:
    """The id that requests.Requests gave this request."""
    return str(connection.scope.get("state", {}).get("request_id", ""))
