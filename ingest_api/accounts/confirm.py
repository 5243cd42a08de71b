"""A user who is in shows the password once more, and has as few tries as one who logs in."""

from __future__ import annotations

from starlette.requests import Request

from ingest_api.accounts.door import AccountsDoor
from schemas.accounts.users import User


async def confirmed(door: AccountsDoor, request: Request, user: User, password: str, *, besides: bool = True) -> bool:
    """Whether it is the password, and what else was asked for, `besides`, was right. Raises RateLimited, Overloaded."""
    address = request.client.host if request.client else None
    familiar = {session.address for session in user.sessions}
    await door.throttle.admit(user.id, address, familiar)
    if await door.passwords.verify(user.password, password) and besides:
        return True
    await door.throttle.failed(user.id, address, familiar)
    return False
