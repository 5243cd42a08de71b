"""A connection outlives the moment at which its credential was checked."""

from __future__ import annotations

import asyncio

from ingest_api.live.backlog import Bounds, Policy
from ingest_api.live.credential import keep_checking
from ingest_api.live.subscriber import CREDENTIAL, Subscriber
from schemas.grants import Party
from tests.ingest_api.accounts.house import house


async def test_who_is_banned_loses_what_an_api_key_opened_at_once() -> None:
    async with house() as at:
        headers = await at.user("ada")
        made = await at.http.post("/api/users/api-keys", json={"name": "sensor"}, headers=headers)
        accounts = at.desk.door.directory
        principal = await accounts.authenticate_key(made.json()["key"])
        subscriber = Subscriber(principal.id, frozenset(), Policy.CONFLATE, Bounds(10, 1000), Party("ada"))
        checking = asyncio.create_task(
            keep_checking(accounts, principal, subscriber, lambda: ["clustering:read"], 24 * 3600, lambda _: None)
        )
        await asyncio.sleep(0)
        ada = accounts.named("ada")
        assert ada is not None
        body = {"status": "banned", "reason": "spam"}
        admin = await at.bearer()
        assert (await at.http.patch(f"/api/users/{ada.number}", json=body, headers=admin)).status_code == 200
        async with asyncio.timeout(30):
            await checking
    assert subscriber.ending is CREDENTIAL
