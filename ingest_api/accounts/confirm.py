"""A user who is in shows the password once more, and has as few tries as one who logs in."""

from __future__ import annotations

from starlette.requests import Request

from ingest_api.accounts.development import matches
from ingest_api.accounts.door import AccountsDoor
from pipeline.errors import Overloaded
from schemas.accounts.users import User


async def confirmed(door: AccountsDoor, request: Request, user: User, password: str, *, besides: bool = True) -> bool:
    """Whether it is the password, and what else was asked for, `besides`, was right. Raises RateLimited, Overloaded."""
    address = request.client.host if request.client else None
    familiar = {session.address for session in user.sessions}
    async with door.throttle.attempt(user.id, address, familiar) as attempt:
        try:
            right = await matches(door, request, user, password)
        except Overloaded:
            attempt.undecided()
            raise
        if right and besides:
            attempt.undecided()  # what failed before still counts: who is in already is not thereby proven
    return right and besides
