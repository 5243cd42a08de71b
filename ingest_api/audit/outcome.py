"""Which requests the audit hears of, and what of them: nothing that a caller could have put a secret into."""

from __future__ import annotations

import re
from functools import lru_cache

from starlette.types import Scope

from ingest_api.audit.recorder import Audit
from ingest_api.audit.tally import Deed
from ingest_api.limits import address_key
from ingest_api.problems import Forbidden, Problem
from ingest_api.requests import Observe
from ingest_api.wiring import Wiring

WRITES = frozenset({"POST", "PUT", "PATCH", "DELETE", "WS"})
REFUSALS = frozenset({401, 403, 429})
"""Of these the audit hears whoever asked, for whatever."""
_CONFLICT = 409
_SHOWN_PARAMETER = re.compile(r"id|.+_id|stream|subject")
_LONGEST_TARGET = 256
_KEY = re.compile(r"(ncs|nk)_")
_network = lru_cache(4096)(address_key)


class Outcomes:
    """Called once for each request, with its status. A WebSocket or an EventSource that is turned away may
    have been accepted in order to tell it why: its status is then that of the problem.

    Every write of a known caller is told to the audit, unless the route set `request.state.audited`: it then sent a
    command, whose decision is audited by the worker that takes it. And every one of REFUSALS: a route may have refused
    what it has not sent. `request.state.principal` is who is known.
    """

    def __init__(self, audit: Audit) -> None:
        self._audit = audit

    def __call__(self, scope: Scope, status: int) -> None:
        state = scope["state"]
        method, actor, route = scope.get("method", "WS"), state.get("principal"), scope.get("route")
        problem: Problem | None = state.get("problem")
        if problem is not None and (method == "WS" or status < 400):
            status = problem.status
        wrote = actor is not None and method in WRITES and not state.get("audited")
        if not (wrote or status in REFUSALS) or route is None:
            return
        client = scope.get("client")
        network = _network(client[0] if client else None)
        self._audit.note(
            Deed(
                actor or network,
                f"{method} {route.path_format}",
                status,
                _target(scope, status),
                None if problem is None else problem.reason or problem.code,
                problem.permission if isinstance(problem, Forbidden) else None,
                network.removeprefix("address:"),
            ),
            _plain(state.get("request_id")),
        )


def observer_of(wiring: Wiring) -> Observe | None:
    """What tells the audit of the wiring; None where there is none."""
    audit = wiring.part(Audit)
    return None if audit is None else Outcomes(audit)


def _target(scope: Scope, status: int) -> str | None:
    """The id in the path, if the answer says that there is such a thing. Anything else a caller may have made up, or
    pasted there."""
    if status >= 400 and status != _CONFLICT:
        return None
    named = [value for name, value in scope.get("path_params", {}).items() if _SHOWN_PARAMETER.fullmatch(name)]
    text = str(named[-1]) if named else ""
    return text if 0 < len(text) <= _LONGEST_TARGET and text.isprintable() else None


def _plain(request_id: str | None) -> str | None:
    """Callers choose it, and one may have chosen a key."""
    return None if request_id is None or _KEY.search(request_id) else request_id
