"""The `Host` of a request: there once, and readable."""

from __future__ import annotations

from starlette.types import Scope

from ingest_api.problems import Problem
from pipeline.http1 import fault_of_host


def refused_host(scope: Scope) -> Problem | None:
    """Why the request cannot be meant for anybody. Its Host is then also taken out of the scope: with it nobody could
    read the request's address."""
    told = fault_of_host(scope["headers"], scope.get("http_version", "1.1"))
    if told is None:
        return None
    scope["headers"] = [(name, value) for name, value in scope["headers"] if name != b"host"]
    return Problem(400, "VALIDATION_ERROR", told, headers={"Connection": "close"})
