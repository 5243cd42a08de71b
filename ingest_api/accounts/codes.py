"""Trying a code of the second factor: whoever does has the password already."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.requests import HTTPConnection

from ingest_api.accounts.door import AccountsDoor
from ingest_api.accounts.throttle import CODES_TOLD, Attempt
from pipeline.accounts.letters import second_factor_guessed
from schemas.accounts.users import User


@asynccontextmanager
async def tried_code(door: AccountsDoor, request: HTTPConnection, user: User) -> AsyncIterator[Attempt]:
    """One try, counted whatever address it comes from. The user is told when several were wrong. Raises
    RateLimited."""
    async with door.throttle.code(user.id) as attempt:
        try:
            yield attempt
        finally:
            if attempt.failed and await door.throttle.codes_counted(user.id) == CODES_TOLD:
                await door.tell(user, second_factor_guessed, request.client.host if request.client else None)
