"""Errors as Pynomaly's API documents them: all in one `error` object; 422 for fields, 400 for what cannot be read."""

from __future__ import annotations

from typing import Any

from ingest_api.envelopes import Envelope, Occasion, facts_of, field_errors, word_of
from ingest_api.problems import Problem

_WORDS = {
    "NOT_FOUND": "RESOURCE_NOT_FOUND",
    "PROCESSING_ERROR": "SYSTEM_ERROR",
    "CONFIGURATION_ERROR": "SYSTEM_ERROR",
    "RESOURCE_ERROR": "SYSTEM_ERROR",
    "TRAINING_FAILED": "TRAINING_ERROR",
    "DETECTION_FAILED": "DETECTION_ERROR",
}


def write(problem: Problem, occasion: Occasion) -> dict[str, Any]:
    """`details` tells the first wrong field as `field` and `reason`, as documented, and all of them as `errors`."""
    told = [{"field": each.field, "reason": each.message} for each in field_errors(problem)]
    details = {**told[0], "errors": told, **problem.extra} if told else facts_of(problem)
    error = {
        "code": word_of(problem, _WORDS),
        "message": problem.message,
        "details": details,
        "timestamp": occasion.timestamp,
        "request_id": occasion.request_id,
    }
    return {"error": error}


_SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["code", "message", "details", "timestamp", "request_id"],
            "properties": {
                "code": {"type": "string", "pattern": "^[A-Z][A-Z_]*$", "examples": ["RESOURCE_NOT_FOUND"]},
                "message": {"type": "string"},
                "details": {
                    "type": "object",
                    "description": "With VALIDATION_ERROR the first field and reason, and all of them as errors.",
                },
                "timestamp": {"type": "string", "format": "date-time"},
                "request_id": {"type": "string", "examples": ["req_0123456789abcdef"]},
            },
        },
    },
}
_SECTIONS = (
    "health",
    "auth",
    "admin",
    "autonomous",
    "detectors",
    "datasets",
    "detection",
    "automl",
    "ensemble",
    "explainability",
    "experiments",
    "performance",
    "export",
    "streaming",
    "webhooks",
    "docs",
    "redoc",
    "openapi.json",
)
PYNOMALY = Envelope("PynomalyError", tuple(f"/api/{section}" for section in _SECTIONS), write, _SCHEMA)
