"""WS /ws/stream over the whole road: points in on a socket, their results and the stream's updates out."""

from __future__ import annotations

import asyncio
import json

import httpx
import numpy as np
import pytest
import websockets

from tests.flow.stack import Json, Stack

pytestmark = [pytest.mark.flow, pytest.mark.timeout(240)]

EXAMPLE = [[1.0, 2.0, 3.0], [1.1, 2.1, 3.1], [5.0, 6.0, 7.0]]


async def test_a_point_is_answered_by_the_id_its_sender_gave_it_and_updates_follow(stack: Stack) -> None:
    async with stack.socket(stack.stream()) as socket:
        for number, point in enumerate(EXAMPLE):
            metadata = {"source": "sensor_01", "floor": 3}
            await socket.send(type="point", data=point, point_id=f"p{number}", metadata=metadata)
        told: list[Json] = []
        while len(told) < 3:
            result = await socket.next("result")
            told += result["data"]["points"]
            assert result["data"]["positions"]
            assert result["timestamp"].endswith("Z")
        assert [point["point_id"] for point in told] == ["p0", "p1", "p2"]
        assert [point["number"] for point in told] == [1, 2, 3]
        assert told[2]["is_outlier"]
        assert told[2]["cluster_id"] is None
        assert told[1]["cluster_id"] == 1
        update = await socket.next("cluster_update")
        assert {"cluster_id", "center", "size", "quality"} <= update["data"].keys()
        status = await socket.next("algorithm_status")
        assert {"clustering_quality", "active_clusters", "drift_detected"} <= status["data"].keys()


async def test_who_writes_to_a_stream_hears_of_it_until_unsubscribed(stack: Stack) -> None:
    other = stack.stream()

    def of_other(message: Json) -> bool:
        return bool(message["data"].get("stream") == other)

    async with stack.socket(stack.stream()) as socket:
        await socket.send(type="point", data=EXAMPLE[0], stream=other)
        assert other in (await socket.next("subscribed"))["data"]["streams"]
        await socket.next("algorithm_status", of_other)
        await socket.send(type="unsubscribe", stream=other)
        assert other not in (await socket.next("subscribed"))["data"]["streams"]
        await socket.send(type="batch", data=EXAMPLE, stream=other, batch_id="b")
        await socket.next("result", lambda message: message["data"].get("batch_id") == "b")
        await socket.send(type="ping")
        await socket.next("pong")
        assert not any(message["type"] == "subscribed" for message in socket.kept)


async def test_a_batch_is_answered_as_a_request_would_be(stack: Stack) -> None:
    stream = stack.stream()
    async with stack.socket(stream) as socket:
        await socket.send(type="batch", data=EXAMPLE, batch_id="batch_stream_001")
        data = (await socket.next("result"))["data"]
        assert data["batch_id"] == "batch_stream_001"
        assert data["labels"] == [1, 1, -1]
        assert data["outliers"] == EXAMPLE[2:]
        assert [cluster["points"] for cluster in data["clusters"]] == [EXAMPLE[:2]]
        assert (data["total_points"], data["duplicate"]) == (3, False)
        await socket.send(type="batch", data=EXAMPLE, batch_id="again", idempotency_key="k")
        await socket.send(type="batch", data=EXAMPLE, batch_id="and again", idempotency_key="k")
        assert [(await socket.next("result"))["data"]["duplicate"] for _ in range(2)] == [False, True]
        async with stack.client() as http:
            state = await http.get(f"/api/v1/requests/{data['request_id']}")
            assert state.json()["status"] == "done"


async def test_points_before_a_batch_are_learned_before_it(stack: Stack) -> None:
    stream = stack.stream()
    async with stack.socket(stream) as socket:
        for number in range(20):
            await socket.send(type="point", data=[float(number), 1.0])
            await socket.send(type="batch", data=[[number + 0.5, 1.0]])
        for _ in range(20):
            await socket.next("result", lambda message: "labels" in message["data"])
    rows = await stack.rows(stream, 40)
    assert [row[0][0] for row in rows] == [number / 2 for number in range(40)]


async def test_a_thousand_points_are_few_records_in_their_order(stack: Stack) -> None:
    stream, since = stack.stream(), stack.marks()
    points = np.random.default_rng(3).normal(size=(1000, 3)).round(6).tolist()
    async with stack.socket(stream) as socket:
        for number, point in enumerate(points):
            await socket.send(type="point", data=point, point_id=number)
        told: list[Json] = []
        while len(told) < 1000:
            told += (await socket.next("result"))["data"]["points"]
    assert sorted(point["point_id"] for point in told) == list(range(1000))
    assert len(stack.observed(stream, since)) < 300
    assert [list(row[0]) for row in await stack.rows(stream, 1000)] == points


async def test_points_that_linger_when_the_client_goes_are_learned(stack: Stack) -> None:
    stream = stack.stream()
    async with stack.socket(stream) as socket:
        for point in EXAMPLE:
            await socket.send(type="point", data=point)
    assert len(await stack.rows(stream, 3)) == 3


async def test_the_status_is_that_of_rest(stack: Stack) -> None:
    stream = stack.stream()
    async with stack.socket(stream) as socket, stack.client() as http:
        await socket.send(type="batch", data=EXAMPLE)
        await socket.next("result")
        await socket.send(type="status_request")
        status = await socket.next("algorithm_status", lambda message: "is_ready" in message["data"])
        assert status["data"]["is_ready"] is True
        assert status["data"]["total_points_processed"] == 3
        rest = (await http.get("/api/v1/algorithm_status", params={"stream": stream})).json()
        assert rest.keys() == status["data"].keys()


@pytest.mark.parametrize(
    ("message", "field"),
    [
        ({"type": "point", "data": "x"}, "data"),
        ({"type": "point", "data": {"x": 1}}, "data"),
        ({"type": "point", "data": ["1", "2"]}, "data"),
        ({"type": "point", "data": [True]}, "data"),
        ({"type": "point", "data": []}, "data"),
        ({"type": "point"}, "data"),
        ({"type": "point", "data": [10**400]}, "data"),
        ({"type": "point", "data": [1.0], "stream": "no good"}, "stream"),
        ({"type": "point", "data": [1.0], "metadata": ["a"]}, "metadata"),
        ({"type": "point", "data": [1.0], "metadata": {"a": "x" * 20_000}}, "metadata"),
        ({"type": "batch", "data": [[1.0], [1.0, 2.0]], "batch_id": "b"}, "data.1"),
        ({"type": "batch", "data": [[1.0]], "batch_id": 7}, "batch_id"),
        ({"type": "batch", "data": [[1.0]], "clustering_config": {"threshold": 7}}, "clustering_config.threshold"),
        (
            {"type": "batch", "data": [[1.0]], "clustering_config": {"max_clusters": "x"}},
            "clustering_config.max_clusters",
        ),
        ({"type": "nonsense"}, "type"),
        ({}, "type"),
    ],
)
async def test_a_wrong_message_is_told_in_the_documented_shape_and_the_socket_goes_on(
    stack: Stack, message: Json, field: str
) -> None:
    async with stack.socket(stack.stream()) as socket:
        await socket.send(**message, point_id="mine")
        error = await socket.next("error")
        assert error["point_id"] == "mine"
        assert error["error"]["code"] == "VALIDATION_ERROR"
        assert isinstance(error["error"]["details"], str)
        assert [each["field"] for each in error["error"]["fields"]] == [field]
        await socket.send(type="batch", data=EXAMPLE)
        await socket.next("result")


@pytest.mark.parametrize("text", ["[", "[]", "null", "[" * 100_000, '{"type": "point", "data": [NaN]}'])
async def test_what_is_no_message_is_told_and_the_socket_goes_on(stack: Stack, text: str) -> None:
    async with stack.socket(stack.stream()) as socket:
        await socket.connection.send(text)
        assert (await socket.next("error"))["error"]["code"] == "VALIDATION_ERROR"
        await socket.send(type="batch", data=EXAMPLE)
        await socket.next("result")


async def test_what_the_worker_refuses_is_told_to_the_points_it_concerns(stack: Stack) -> None:
    async with stack.socket(stack.stream()) as socket:
        await socket.send(type="batch", data=EXAMPLE)
        await socket.next("result")
        await socket.send(type="point", data=[1.0, 2.0], point_id="flat")
        error = await socket.next("error")
        assert error["point_ids"] == ["flat"]
        assert "points of 3 numbers" in error["error"]["details"]


async def test_metadata_of_many_points_never_makes_a_record_that_is_refused(stack: Stack) -> None:
    async with stack.socket(stack.stream()) as socket:
        for number in range(40):
            await socket.send(type="point", data=[1.0, float(number)], metadata={"n": number, "text": '"' * 2000})
        told = 0
        while told < 40:
            told += len((await socket.next("result"))["data"]["points"])
        assert [message for message in socket.kept if message["type"] == "error"] == []


async def test_drift_is_told_on_the_socket_and_over_server_sent_events(stack: Stack) -> None:
    stream = stack.stream()
    rng = np.random.default_rng(5)
    before, after = rng.normal(0, 8, (4, 4)), rng.normal(40, 8, (4, 4))

    def batch(centers: object) -> list[list[float]]:
        points: list[list[float]] = (
            np.asarray(centers)[rng.integers(4, size=500)] + rng.normal(size=(500, 4))
        ).tolist()
        return points

    async with stack.socket(stream) as socket:
        for centers in (before,) * 6 + (after,) * 6:
            await socket.send(type="batch", data=batch(centers))
            await socket.next("result")
        drift = (await socket.next("drift_detection"))["data"]
    assert {"severity", "affected_clusters", "recommendation"} <= drift.keys()
    assert drift["at_point"] > 3000
    async with stack.client() as http:
        status = (await http.get("/api/v1/algorithm_status", params={"stream": stream})).json()
    assert status["last_drift_detection"] is not None


async def test_an_event_stream_that_resumes_has_seen_every_drift_and_outlier(stack: Stack) -> None:
    stream = stack.stream()
    heard: list[Json] = []
    last: str | None = None
    async with stack.client() as http:
        for round_ in range(4):
            query = {"topics": "outliers", "stream": stream}
            headers = {} if last is None else {"Last-Event-ID": last}
            async with http.stream("GET", "/api/v1/events", params=query, headers=headers) as events:
                lines = events.aiter_lines()
                last, _ = await _event(lines, "connected", last)
                async with stack.client() as other:
                    await _send_outlier(other, stream, 2 * round_)
                last, message = await _event(lines, "outliers_detected", last)
                heard.append(message)
            async with stack.client() as other:
                await _send_outlier(other, stream, 2 * round_ + 1)  # while nobody listens
        headers = {"Last-Event-ID": str(last)}
        async with http.stream("GET", "/api/v1/events", params=query, headers=headers) as events:
            lines = events.aiter_lines()
            while len(heard) < 8:
                heard.append((await _event(lines, "outliers_detected", last))[1])
    offsets = [int(message["data"]["position"].rsplit("-", 1)[1]) for message in heard]
    assert len(set(offsets)) == 8


async def _send_outlier(http: httpx.AsyncClient, stream: str, number: int) -> None:
    """Points around a few centres, and one far off in a direction of its own."""
    rng = np.random.default_rng(number)
    points = np.random.default_rng(9).normal(0, 8, (4, 8))[rng.integers(4, size=300)] + rng.normal(size=(300, 8))
    points[-1] = 0
    points[-1, number] = 500
    answer = await http.post("/api/v1/process_points", json={"points": points.tolist(), "stream": stream})
    assert points[-1].tolist() in answer.json()["outliers"], answer.text


async def _event(lines: object, kind: str, last: str | None) -> tuple[str | None, Json]:
    """The next event of that type, and the id to resume with after it."""
    fields: dict[str, str] = {}
    async with asyncio.timeout(30):
        async for line in lines:  # type: ignore[attr-defined]
            if line:
                name, _, value = line.partition(": ")
                fields[name] = value
                continue
            last = fields.get("id", last)
            assert fields.get("event") != "gap", fields
            if fields.get("event") == kind:
                return last, json.loads(fields["data"])
            fields = {}
    raise AssertionError(f"the stream ended without {kind}")


async def test_who_may_not_write_is_told_and_closed(stack: Stack) -> None:
    url = f"{stack.api.url.replace('http', 'ws')}/ws/stream"
    async with websockets.connect(url) as nobody:
        await nobody.send(json.dumps({"type": "auth", "token": "a.b.c"}))
        assert json.loads(await nobody.recv())["error"]["code"] == "AUTHENTICATION_ERROR"
        with pytest.raises(websockets.ConnectionClosed):
            await nobody.recv()
