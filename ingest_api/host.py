"""The `Host` of a request: there once, and readable (RFC 9112, 3.2)."""

from __future__ import annotations

import re

from starlette.types import Scope

from ingest_api.problems import Problem

_HOST = re.compile(rb"(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._~!$&'()*+,;=%-]*)(?::[0-9]*)?")


def refused_host(scope: Scope) -> Problem | None:
    """Why the request cannot be meant for anybody: HTTP/1.1 without a Host, in either version more than one, or one
    that names no host. These are also taken out of the scope: with them nobody could read the request's address."""
    hosts = [value for name, value in scope["headers"] if name == b"host"]
    if len(hosts) == 1 or (not hosts and scope.get("http_version") == "1.0"):
        told = "" if not hosts or _HOST.fullmatch(hosts[0]) else "The Host header names no host"
    else:
        told = "A request has one Host header"
    if not told:
        return None
    scope["headers"] = [(name, value) for name, value in scope["headers"] if name != b"host"]
    return Problem(400, "VALIDATION_ERROR", told, headers={"Connection": "close"})
