"""What a caller may do to users: nobody grants or administers more than he holds, and what anybody logs in with is
changed in a session, never by a key. The worker that decides looks again (`pipeline.accounts.authority`)."""

from __future__ import annotations

from collections.abc import Iterable

from ingest_api.principal import Principal
from ingest_api.problems import Problem
from schemas.accounts.users import User
from schemas.permissions import OWN, permitted


def may_administer(principal: Principal, held: User | None, roles: Iterable[str] = ()) -> None:
    """Whether the caller may change a user, and give these roles. Raises Problem 403, Forbidden."""
    if held is not None and held.id == principal.user:
        in_session(principal)
    reach = permitted([*(() if held is None else held.roles), *roles]) - OWN
    may_grant(principal, reach)


def may_grant(principal: Principal, permissions: Iterable[str]) -> None:
    """Raises Forbidden, naming the first permission that the caller has not."""
    for permission in sorted(permissions):
        principal.require(permission)


def in_session(principal: Principal) -> None:
    """Raises Problem 403 for what came by a key."""
    if principal.session is None:
        message = "Log in for this: no API key changes its own owner, or what anybody logs in with"
        raise Problem(403, "AUTHORIZATION_ERROR", message, reason="SESSION_REQUIRED")
