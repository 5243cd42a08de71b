"""A connection outlives the moment at which its credential was checked: it is looked at again, and again."""

from __future__ import annotations

import asyncio
import logging
import random

from starlette.requests import HTTPConnection

from ingest_api.auth import authenticate
from ingest_api.live.subscriber import CREDENTIAL, Subscriber
from ingest_api.problems import Problem
from pipeline.errors import Failure

log = logging.getLogger("thalweg.live")


async def keep_checking(connection: HTTPConnection, subscriber: Subscriber, permission: str, interval: float) -> None:
    """Ends the subscriber when its credential has expired, was revoked, or no longer grants the permission.

    Where the accounts cannot be asked just now, what was true last holds until they can. A crowd that came at once is
    not looked at all at once.
    """
    wait = random.uniform(interval / 2, interval)
    while subscriber.ending is None:
        await asyncio.sleep(wait)
        wait = interval
        try:
            principal = await authenticate(connection, query=True)
            principal.require(permission)
        except Problem as problem:
            log.info("live: %s must go: %s", subscriber.id, problem)
            subscriber.end(CREDENTIAL)
        except Failure as failure:
            log.warning("live: %s cannot be checked now: %s", subscriber.id, failure)
