"""From a request to the row that administrators read: what was done, what was refused, and nothing that was secret."""

from __future__ import annotations

import asyncio
import uuid
from typing import Any

import httpx
import pytest
import websockets

from pipeline.kafka.browse import stretch
from pipeline.kafka.producer import Producer
from schemas.accounts.topics import AUDITED
from schemas.codec import Codec
from tests.flow.stack import ADMIN_PASSWORD, Stack, until
from tests.pipeline.warehouse.records import action

pytestmark = [pytest.mark.flow, pytest.mark.timeout(300)]

POINTS = {"points": [[1.0, 2.0]]}
Json = dict[str, Any]


async def found(admin: httpx.AsyncClient, count: int = 1, **sought: str) -> list[Json]:
    """What the API tells of the actions sought, once they are as many."""
    told: list[Json] = []

    async def enough() -> bool:
        answer = await admin.get("/api/admin/audit", params={"limit": "1000", **sought})
        told[:] = answer.raise_for_status().json()["data"]
        return sum(int(each["count"]) for each in told) >= count

    await until(enough)
    return told


async def now(http: httpx.AsyncClient) -> str:
    """By the API's clock: other modules' tests write to the same topic before."""
    timestamp: str = (await http.get("/health")).json()["timestamp"]
    return timestamp


async def test_a_write_and_a_refusal_are_found_by_administrators(stack: Stack) -> None:
    mine = uuid.uuid4().hex
    async with stack.client("admin") as admin, stack.client("sensor") as sensor:
        headers = {"X-Request-ID": f"w-{mine}"}
        points = await sensor.post("/api/v1/process_points", json=POINTS | {"stream": stack.stream()}, headers=headers)
        assert points.status_code == 200
        refused = await sensor.delete("/api/admin/users/nobody", headers={"X-Request-ID": f"d-{mine}"})
        assert refused.status_code == 403
        [write] = await found(admin, request_id=f"w-{mine}")
        [refusal] = await found(admin, request_id=f"d-{mine}")
        of_both = await found(admin, 2, actor="key:sensor", since=write["at"])
    assert (write["actor"], write["action"]) == ("key:sensor", "POST /api/v1/process_points")
    assert (write["verdict"], write["status"], write["address"]) == ("accepted", 200, "127.0.0.1")
    assert (refusal["action"], refusal["target"]) == ("DELETE /api/admin/users/{user_id}", None)
    assert (refusal["verdict"], refusal["status"], refusal["details"]) == ("refused", 403, {"missing": "users:write"})
    assert [each["at"] for each in of_both] == sorted((each["at"] for each in of_both), reverse=True)


async def test_a_stream_that_is_deleted_is_named(stack: Stack) -> None:
    stream = stack.stream()
    async with stack.client("admin") as admin:
        await admin.post("/api/v1/process_points", json=POINTS | {"stream": stream})
        assert (await admin.delete(f"/api/v1/streams/{stream}")).status_code < 300
        [deletion] = await found(admin, target=stream, action="DELETE /api/v1/streams", verdict="accepted")
    assert deletion["actor"] == "user:admin"


async def test_a_websocket_is_recorded_when_it_is_opened_or_turned_away(stack: Stack) -> None:
    stream = stack.stream()
    async with stack.client("admin") as admin:
        began = await now(admin)
        async with stack.socket(stream, "writer"):
            pass
        url = f"{stack.api.url.replace('http', 'ws')}/ws/stream?api_key="
        with pytest.raises(websockets.InvalidStatus, match="401"):
            await websockets.connect(f"{url}ncs_wrong")
        with pytest.raises(websockets.InvalidStatus, match="403"):
            await websockets.connect(url + stack.keys["sensor"], origin=websockets.Origin("https://evil.example"))
        told = await found(admin, 3, action="WS /ws/stream", since=began)
    assert {(each["actor"], each["verdict"], each["status"]) for each in told} == {
        ("key:writer", "accepted", 101),
        ("address:127.0.0.1", "refused", 401),
        ("address:127.0.0.1", "refused", 403),
    }


async def test_a_flood_of_refusals_is_a_few_records_that_count_them_all(stack: Stack) -> None:
    async with stack.client("admin") as admin, httpx.AsyncClient(base_url=stack.api.url, timeout=60) as stranger:
        began = await now(admin)
        answers = await asyncio.gather(*(stranger.post("/api/v1/process_batch") for _ in range(300)))
        assert {answer.status_code for answer in answers} == {401}
        told = await found(admin, 300, action="POST /api/v1/process_batch", verdict="refused", since=began)
    assert sum(each["count"] for each in told) == 300
    assert len(told) < 100


async def test_a_decision_told_again_by_a_restarted_worker_is_one_row(stack: Stack) -> None:
    codec, entity = Codec(), f"e{uuid.uuid4().hex[:8]}"
    producer = Producer(stack.kafka, "test")

    async def tell(offsets: range) -> None:
        for offset in offsets:
            decided = action(offset, action=f"{entity}.create", status=None, source_partition=0, source_offset=offset)
            await producer.send(AUDITED.name, codec.encode(decided), key=b"user:ada")

    await tell(range(6))
    async with stack.client("admin") as admin:
        await found(admin, 6, action=f"{entity}.")
        await asyncio.to_thread(stack.archive.stop)
        stack.archive.launch()
        await asyncio.to_thread(stack.archive.await_ready)
        await tell(range(3, 9))
        told = await found(admin, 9, action=f"{entity}.")
    await producer.close()
    assert [each["source_offset"] for each in told] == [*range(8, -1, -1)]
    assert {each["count"] for each in told} == {1}


async def test_the_audit_is_paged_and_only_administrators_read_it(stack: Stack) -> None:
    async with (
        stack.client("admin") as admin,
        stack.client("writer") as writer,
        httpx.AsyncClient(base_url=stack.api.url) as stranger,
    ):
        assert (await writer.get("/api/admin/audit")).status_code == 403
        assert (await stranger.get("/api/admin/audit")).status_code == 401
        until_then = (await found(admin))[0]["at"]
        whole = await found(admin, until=until_then)
        gathered: list[Json] = []
        asked: dict[str, str | int] = {"limit": 2, "until": until_then}
        while True:
            page = (await admin.get("/api/admin/audit", params=asked)).json()
            assert page["pagination"]["limit"] == 2
            gathered += page["data"]
            if page["pagination"]["next_cursor"] is None:
                break
            asked["cursor"] = page["pagination"]["next_cursor"]
    assert gathered == whole


async def test_nothing_secret_of_all_that_was_asked_is_in_the_log(stack: Stack) -> None:
    async with stack.client("admin") as admin:
        began = await now(admin)
        token = admin.headers["Authorization"].removeprefix("Bearer ")
        async with httpx.AsyncClient(base_url=stack.api.url) as other:
            await other.post("/auth/login", data={"username": "admin", "password": "a-wrong-password"})
            await other.get("/api/v1/events", params={"token": token + "x", "api_key": "ncs_" + "ab" * 16})
        [login] = await found(admin, action="POST /auth/login", verdict="refused", since=began)
        assert (login["actor"], login["status"]) == ("address:127.0.0.1", 401)
    raw = b"".join((record.key or b"") + (record.value or b"") for record in stretch(stack.kafka, AUDITED.name))
    assert b"POST /auth/login" in raw
    secrets = [*stack.keys.values(), token, ADMIN_PASSWORD, "a-wrong-password", "ncs_wrong", "ab" * 16]
    assert [secret for secret in secrets if secret.encode() in raw] == []
