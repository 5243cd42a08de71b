"""From a Problem to the body of an answer: every API family documents its own form, and the path tells the family."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from starlette.requests import HTTPConnection
from starlette.responses import Response

from ingest_api.json import Json
from ingest_api.problems import FieldError, Problem, RateLimited, problem_of, request_id_of
from pipeline.clock import Clock, iso
from pipeline.errors import Failure

_LOG = logging.getLogger("thalweg.api")


@dataclass(frozen=True, slots=True)
class Occasion:
    """When and in which request a problem arose. `timestamp` is RFC 3339."""

    request_id: str
    timestamp: str


@dataclass(frozen=True, slots=True)
class Envelope:
    """How one API family writes its errors: the paths it holds for, the body, and the JSON Schema of that body,
    which OpenAPI lists under `name`.

    `also` are paths of other families which may answer one request in this form, as their route decides. `status`
    gives those that the family does not know the number it gives them.
    """

    name: str
    prefixes: tuple[str, ...]
    body: Callable[[Problem, Occasion], dict[str, Any]]
    schema: Mapping[str, Any]
    media_type: str = "application/json"
    also: tuple[str, ...] = ()
    status: Mapping[int, int] = field(default_factory=dict)

    def reach(self, path: str) -> int:
        """Length of the longest prefix that holds for the path, in whole segments; -1 if none does."""
        bare = (prefix.rstrip("/") for prefix in self.prefixes)
        return max((len(prefix) for prefix in bare if path == prefix or path.startswith(f"{prefix}/")), default=-1)

    def status_of(self, problem_status: int) -> int:
        return self.status.get(problem_status, problem_status)


def standard(problem: Problem, occasion: Occasion) -> dict[str, Any]:
    """The documented error shape of the streaming API, with the `detail` string its clients read."""
    details = facts_of(problem) if problem.extra else problem.details
    error = {"code": problem.code, "message": problem.message, "details": details}
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


def field_errors(problem: Problem) -> list[FieldError]:
    """What is wrong with which field; empty where the problem is not one of fields."""
    told = problem.details if isinstance(problem.details, list) else []
    return [each for each in told if isinstance(each, FieldError)]


def details_of(problem: Problem) -> dict[str, Any]:
    """The details as an object, for families whose details always are one: a list is its `errors`."""
    if problem.details is None:
        return {}
    return dict(problem.details) if isinstance(problem.details, Mapping) else {"errors": problem.details}


def facts_of(problem: Problem) -> dict[str, Any]:
    """The details as an object, with what is known besides."""
    return details_of(problem) | dict(problem.extra)


def word_of(problem: Problem, words: Mapping[str, str]) -> str:
    """What a family calls it: by its reason, else by its code, else as the code itself."""
    return words.get(problem.reason) or words.get(problem.code) or problem.code


def envelope_for(path: str, envelopes: Sequence[Envelope]) -> Envelope:
    """The one with the longest prefix that holds for the path; STANDARD where none does."""
    return max((STANDARD, *envelopes), key=lambda envelope: envelope.reach(path))


def possible_for(path: str, envelopes: Sequence[Envelope]) -> tuple[Envelope, ...]:
    """All that an answer at this path may have, its own first."""
    return envelope_for(path, envelopes), *(envelope for envelope in envelopes if path in envelope.also)


@dataclass(frozen=True)
class Renderer:
    """Writes problems in the envelope of their path, or in that which the route put in `connection.state.envelope`
    (one whose `also` has the path, or the API's description is not true). `instead` is asked first: (connection,
    problem, microseconds) -> an answer, or None."""

    clock: Clock
    envelopes: Sequence[Envelope] = field(default=())
    instead: Callable[[HTTPConnection, Problem, int], Response | None] = field(default=lambda *_: None)

    def render(self, connection: HTTPConnection, error: Exception) -> Response:
        problem = problem_of(error)
        connection.scope.setdefault("state", {})["problem"] = problem  # for whoever observes outcomes
        occasion = Occasion(request_id_of(connection), iso(self.clock()))
        if problem.status >= 500 and problem is not error:
            known = isinstance(error, Failure) and error.retryable
            _LOG.error("%s %s failed: %s", occasion.request_id, connection.url.path, error, exc_info=not known)
        other = self.instead(connection, problem, self.clock())
        if other is not None:
            return other
        envelope = self._envelope(connection)
        body, status = envelope.body(problem, occasion), envelope.status_of(problem.status)
        return Json(body, status, headers=problem.headers, media_type=envelope.media_type)

    async def handle(self, connection: HTTPConnection, error: Exception) -> Response:
        """The same, as Starlette calls exception handlers."""
        return self.render(connection, error)

    def _envelope(self, connection: HTTPConnection) -> Envelope:
        chosen = connection.scope.get("state", {}).get("envelope")
        return chosen if isinstance(chosen, Envelope) else envelope_for(connection.url.path, self.envelopes)
