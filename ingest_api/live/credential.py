"""A connection outlives the moment at which its credential was checked: it is looked at again, and again."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable, Iterable

from ingest_api.live.subscriber import CREDENTIAL, Subscriber
from ingest_api.principal import Accounts, Principal
from ingest_api.problems import Problem
from pipeline.errors import Failure

log = logging.getLogger("thalweg.live")


async def keep_checking(
    accounts: Accounts,
    principal: Principal,
    subscriber: Subscriber,
    permissions: Callable[[], Iterable[str]],
    interval: float,
    regard: Callable[[Principal], None],
) -> None:
    """Ends the subscriber when its credential has expired, was revoked, or no longer grants one of the permissions: at
    once when its account changes, and every so often, since time alone ends credentials too. `regard` is called with
    the principal as it is then.

    A crowd that came at once is not looked at all at once.
    """
    wait = random.uniform(interval / 2, interval)
    standing_for = [each for each in (principal.key, principal.user) if each] or [principal.id]  # a key and its owner
    with accounts.presence.of(*standing_for) as changed:
        while subscriber.ending is None:
            await _either(changed, wait)
            wait = interval
            try:
                held = accounts.recheck(principal)
                for permission in permissions():
                    held.require(permission)
                regard(held)
            except Problem as problem:
                log.info("live: %s must go: %s", subscriber.id, problem)
                subscriber.end(CREDENTIAL)
            except Failure as failure:
                log.warning("live: %s cannot be checked now: %s", subscriber.id, failure)


async def _either(changed: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await changed.wait()
    except TimeoutError:
        return
    changed.clear()
