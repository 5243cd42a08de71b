"""Errors as Mira's API documents them: one `error` object, whose details have the time, and the request's id in it."""

from __future__ import annotations

from typing import Any

from ingest_api.envelopes import Envelope, Occasion, facts_of, word_of
from ingest_api.problems import Problem

_WORDS = {
    "NETWORK_NOT_FOUND": "INVALID_NETWORK_ID",
    "CLIENT_NOT_FOUND": "INVALID_CLIENT_ID",
    "AUTHENTICATION_ERROR": "UNAUTHORIZED",
    "RATE_LIMIT_ERROR": "RATE_LIMIT_EXCEEDED",
    "AUDIO_PROCESSING_FAILED": "AUDIO_PROCESSING_FAILED",
    "MODEL_INFERENCE_FAILED": "MODEL_INFERENCE_FAILED",
}


def write(problem: Problem, occasion: Occasion) -> dict[str, Any]:
    error = {
        "code": word_of(problem, _WORDS),
        "message": problem.message,
        "details": {**facts_of(problem), "timestamp": occasion.timestamp},
        "request_id": occasion.request_id,
    }
    return {"error": error}


_SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["code", "message", "details", "request_id"],
            "properties": {
                "code": {"type": "string", "pattern": "^[A-Z][A-Z_]*$", "examples": ["INVALID_NETWORK_ID"]},
                "message": {"type": "string"},
                "details": {
                    "type": "object",
                    "required": ["timestamp"],
                    "properties": {"timestamp": {"type": "string", "format": "date-time"}},
                    "description": "Besides the time, what the code is about; for field errors a list as errors.",
                },
                "request_id": {"type": "string", "examples": ["req_0123456789abcdef"]},
            },
        },
    },
}
MIRA = Envelope("MiraError", ("/api/v1/networks", "/api/v1/clients"), write, _SCHEMA)
