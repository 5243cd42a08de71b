"""The passwords of the development administrator, while nobody has set another.

One was made at the first start and is shown by `thalweg up`: it is a secret, and good from anywhere. The other, which
everybody knows, is `admin123`: it is good for a program of this user on this machine that speaks to the API itself, and
can be seen to (pipeline.peer). Anything else might be a proxy, with all the world behind it.
"""

from __future__ import annotations

import asyncio
import hmac

from starlette.requests import HTTPConnection

from ingest_api.accounts.door import AccountsDoor
from ingest_api.auth import is_local
from ingest_api.settings import DEVELOPMENT_PASSWORD
from pipeline.peer import is_own_client
from pipeline.settings import loopback
from schemas.accounts.users import User


async def matches(door: AccountsDoor, request: HTTPConnection, user: User | None, password: str) -> bool:
    """Whether this is the user's password, from where it comes; as much work where there is no such user. Raises
    Overloaded."""
    right = await door.passwords.verify(None if user is None else user.password, password)
    if user is None or not user.local_only:
        return right
    if not await door.passwords.verify(user.password, DEVELOPMENT_PASSWORD):
        return right  # the user has chosen one
    made = door.settings.dev_password
    if made is not None and hmac.compare_digest(made.encode(), password.encode("utf-8", "surrogateescape")):
        return True
    return right and door.settings.dev_admin and await _is_direct(door, request)


async def _is_direct(door: AccountsDoor, request: HTTPConnection) -> bool:
    client, server = request.client, request.scope.get("server")
    announced = door.settings.trusted_proxies or not loopback(door.mail.public_host)
    if client is None or server is None or server[1] is None or announced or not is_local(request):
        return False
    return await asyncio.to_thread(is_own_client, (client.host, client.port), (server[0], server[1]))
