"""Webhooks at the door."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import msgspec
import pytest

from ingest_api.accounts.webhook_routes import MAX_TESTS
from pipeline.accounts.destinations import Allowed
from schemas.accounts.webhooks import Delivery, Webhook
from tests.ingest_api.accounts.house import House, house

URL = "https://hooks.example.com/thalweg"


@pytest.fixture
async def at() -> AsyncIterator[House]:
    async with house() as made:
        yield made


async def test_a_webhooks_secret_is_shown_once_and_kept_sealed(at: House) -> None:
    headers = await at.bearer()
    made = await at.http.post("/api/webhooks", json={"url": URL, "events": ["drift.detected"]}, headers=headers)
    assert made.status_code == 201
    secret, place = made.json()["secret"], f"/api/webhooks/{made.json()['id']}"
    assert secret.startswith("whsec_")
    shown = await at.http.get(place, headers=headers)
    assert secret not in shown.text
    [webhook] = at.desk.door.webhooks.entries.values()
    assert secret not in webhook.secret
    assert at.desk.door.seals.open(webhook.secret) == secret


async def test_a_webhook_is_listed_changed_and_deleted_by_its_owner_alone(at: House) -> None:
    admin, ada = await at.bearer(), await at.user("ada")
    made = (await at.http.post("/api/webhooks", json={"url": URL, "events": ["drift.detected"]}, headers=ada)).json()
    place = f"/api/webhooks/{made['id']}"
    assert (await at.http.get(place, headers=admin)).status_code == 404
    assert (await at.http.get("/api/webhooks", headers=admin)).json()["pagination"]["total"] == 0
    changed = await at.http.put(place, json={"enabled": False, "version": made["version"]}, headers=ada)
    assert (changed.status_code, changed.json()["enabled"]) == (200, False)
    stale = await at.http.put(place, json={"enabled": True, "version": made["version"]}, headers=ada)
    assert stale.status_code == 409
    assert [each["id"] for each in (await at.http.get("/api/webhooks", headers=ada)).json()["data"]] == [made["id"]]
    assert (await at.http.delete(place, headers=ada)).status_code == 200
    assert (await at.http.get(place, headers=ada)).status_code == 404


@pytest.mark.parametrize(
    "url",
    [
        "http://example.com/",
        "https://127.0.0.1/",
        "https://localhost/",
        "https://169.254.169.254/latest/meta-data",
        "https://[::1]/",
        "https://user:pass@example.com/",
        "ftp://example.com/",
        "https://10.0.0.1/",
        "nowhere",
    ],
)
async def test_a_webhook_does_not_lead_inside(at: House, url: str) -> None:
    headers = await at.bearer()
    refused = await at.http.post("/api/webhooks", json={"url": url, "events": ["drift.detected"]}, headers=headers)
    assert refused.status_code == 422
    assert refused.json()["error"]["details"]["field"] == "url"


async def test_what_the_operator_names_may_be_reached() -> None:
    async with house(allowed=Allowed.parse("10.0.0.0/8")) as at:
        body = {"url": "http://10.0.0.1/", "events": ["drift.detected"]}
        assert (await at.http.post("/api/webhooks", json=body, headers=await at.bearer())).status_code == 201


async def test_an_event_that_there_is_not_cannot_be_asked_for(at: House) -> None:
    body = {"url": URL, "events": ["moon.risen"]}
    refused = await at.http.post("/api/webhooks", json=body, headers=await at.bearer())
    assert refused.status_code == 422
    assert "drift.detected" in refused.text


async def test_a_test_is_a_delivery_that_is_listed(at: House) -> None:
    headers = await at.bearer()
    body = {"url": URL, "events": ["drift.detected"]}
    made = (await at.http.post("/api/webhooks", json=body, headers=headers)).json()
    place = f"/api/webhooks/{made['id']}"
    asked = await at.http.post(f"{place}/test", headers=headers)
    assert (asked.status_code, asked.json()["progress"]) == (202, "pending")
    [listed] = (await at.http.get(f"{place}/deliveries", headers=headers)).json()["data"]
    assert (listed["id"], listed["event"]) == (asked.json()["id"], "webhook.test")
    [delivery] = at.desk.door.deliveries.entries.values()
    assert msgspec.json.decode(delivery.body)["type"] == "webhook.test"
    assert (await at.http.get(f"{place}/deliveries?page=100000", headers=headers)).json()["data"] == []


async def test_a_test_is_answered_once_its_list_has_it(at: House, monkeypatch: pytest.MonkeyPatch) -> None:
    headers = await at.bearer()
    made = (
        await at.http.post("/api/webhooks", json={"url": URL, "events": ["drift.detected"]}, headers=headers)
    ).json()
    deliver, late = at.desk.door.deliver, list[asyncio.Future[object]]()

    async def deliver_late(delivery: Delivery) -> None:
        """As the log does: it is taken now, and seen a moment later."""
        asyncio.get_running_loop().call_later(0.05, lambda: late.append(asyncio.ensure_future(deliver(delivery))))

    monkeypatch.setattr(at.desk.door, "deliver", deliver_late)
    place = f"/api/webhooks/{made['id']}"
    asked = await at.http.post(f"{place}/test", headers=headers)
    [listed] = (await at.http.get(f"{place}/deliveries", headers=headers)).json()["data"]
    assert listed["id"] == asked.json()["id"]


async def test_the_webhooks_and_keys_of_a_user_go_with_the_user(at: House) -> None:
    admin, ada = await at.bearer(), await at.user("ada")
    await at.http.post("/api/webhooks", json={"url": URL, "events": ["drift.detected"]}, headers=ada)
    await at.http.post("/auth/api-keys", json={"name": "k"}, headers=ada)
    uuid = (await at.http.get("/api/users/profile", headers=ada)).json()["user"]["uuid"]
    assert (await at.http.delete(f"/api/admin/users/{uuid}", headers=admin)).status_code == 200
    assert not at.desk.door.webhooks.entries
    assert not at.desk.door.directory.keys.entries


async def test_a_viewer_makes_no_webhooks(at: House) -> None:
    admin = await at.bearer()
    body = {"username": "bob", "password": "a rather fine password", "roles": ["viewer"]}
    await at.http.post("/api/admin/users", json=body, headers=admin)
    bob = await at.bearer("bob", "a rather fine password")
    made = await at.http.post("/api/webhooks", json={"url": URL, "events": ["drift.detected"]}, headers=bob)
    assert (made.status_code, "webhooks:write" in made.text) == (403, True)
    assert Webhook.KIND not in {order.partition(".")[0] for order in at.desk.orders.ordered}


async def test_so_many_tests_wait_and_no_more_are_taken(at: House) -> None:
    headers = await at.user("ada")
    made = (
        await at.http.post("/api/webhooks", json={"url": URL, "events": ["drift.detected"]}, headers=headers)
    ).json()
    place = f"/api/webhooks/{made['id']}/test"
    statuses = [(await at.http.post(place, headers=headers)).status_code for _ in range(MAX_TESTS + 1)]
    assert statuses == [202] * MAX_TESTS + [409]
