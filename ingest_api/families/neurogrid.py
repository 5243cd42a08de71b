"""Errors as NeuroGrid documents them: flat, in lower case, and 400 for fields, since its statuses have no 422."""

from __future__ import annotations

from typing import Any

from ingest_api.envelopes import Envelope, Occasion, details_of, field_errors, word_of
from ingest_api.problems import FieldError, Problem

_WORDS = {
    "AUTHENTICATION_ERROR": "auth_required",
    "AUTHORIZATION_ERROR": "forbidden",
    "RATE_LIMIT_ERROR": "rate_limit_exceeded",
    "PROCESSING_ERROR": "internal_error",
    "CONFIGURATION_ERROR": "internal_error",
    "RESOURCE_ERROR": "service_unavailable",
}
"""Others are the reason or, without one, the code in lower case: `token_expired`, `insufficient_balance`."""


def write(problem: Problem, occasion: Occasion) -> dict[str, Any]:
    """`details` has a key for each wrong field; extra facts stand at the top: `requires_2fa`."""
    fields = field_errors(problem)
    return {
        **problem.extra,
        "error": (problem.reason or word_of(problem, _WORDS)).lower(),
        "message": problem.message,
        "details": _by_field(fields) if fields else details_of(problem),
        "timestamp": occasion.timestamp,
    }


def _by_field(errors: list[FieldError]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for each in errors:
        found[each.field] = f"{found[each.field]}; {each.message}" if each.field in found else each.message
    return found


_SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["error", "message", "details", "timestamp"],
    "properties": {
        "error": {"type": "string", "pattern": "^[a-z0-9][a-z0-9_]*$", "examples": ["validation_error"]},
        "message": {"type": "string"},
        "details": {"type": "object", "description": "With validation_error what is wrong, by field."},
        "timestamp": {"type": "string", "format": "date-time"},
        "requires_2fa": {"type": "boolean", "description": "With 401 of a login that needs a one-time code."},
    },
}
_ACCOUNT_STEPS = ("register", "verify-email", "forgot-password", "reset-password", "2fa")
_SECTIONS = (
    "users",
    "nodes",
    "tasks",
    "files",
    "analytics",
    "payments",
    "wallets",
    "tokens",
    "system",
    "monitoring",
    "notifications",
    "support",
    "network",
    "admin/optimize",
    "admin/cache",
)
_PREFIXES = (
    *(f"/api/auth/{step}" for step in _ACCOUNT_STEPS),
    *(f"/api/{section}" for section in _SECTIONS),
    "/api-docs",
    "/api-docs.json",
)
_SHARED = ("/api/auth/login", "/api/auth/logout", "/api/auth/refresh")
"""Pynomaly's by default; a route answers here whom it knows for a client of NeuroGrid."""

NEUROGRID = Envelope("NeuroGridError", _PREFIXES, write, _SCHEMA, also=_SHARED, status={422: 400})
