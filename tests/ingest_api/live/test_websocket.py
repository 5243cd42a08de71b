"""The WebSocket transport as a client meets it."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from fastapi import APIRouter, WebSocket
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from ingest_api.live.greeting import welcome
from ingest_api.live.pace import Pace
from ingest_api.live.websocket import Connection, serve
from ingest_api.problems import FieldError, Invalid
from tests.ingest_api.live.records import cluster, clusters, drift
from tests.ingest_api.live.serving import WRITER, Log, serving


@pytest.mark.parametrize("outlets", [True, False])
async def test_a_subscriber_is_greeted_and_told_what_happens(outlets: bool, kafka_bootstrap: str) -> None:
    log = Log(kafka_bootstrap)
    async with serving(log.live(), outlets=outlets) as served, connect(served.socket("/ws/events")) as socket:
        connected = await _next(socket)
        assert (connected["type"], connected["data"]["resumed"]) == ("connected", False)
        await log.write("clusters", ("s", clusters("s", 1, cluster(3))))
        update, status = await _next(socket), await _next(socket)
        assert (update["type"], update["data"]["center"]) == ("cluster_update", [3.0, 3.0])
        assert status["type"] == "algorithm_status"
        await log.write("drift", ("s", drift("s", 2)))
        assert (await _next(socket))["type"] == "drift_detection"
    async with serving(log.live()) as served, connect(served.socket("/ws/events", cursor=update["cursor"])) as socket:
        told = [(await _next(socket))["type"] for _ in range(3)]
    assert told == ["connected", "algorithm_status", "drift_detection"]


async def test_a_client_changes_what_it_hears(kafka_bootstrap: str) -> None:
    log = Log(kafka_bootstrap)
    async with serving(log.live()) as served, connect(served.socket("/ws/events", topics="drift")) as socket:
        await _next(socket)
        await _say(socket, {"type": "unsubscribe", "topics": ["drift"]})
        assert (await _next(socket))["data"] == {"topics": [], "streams": []}
        await _say(socket, {"type": "subscribe", "topics": ["drift"], "stream": "b"})
        assert (await _next(socket))["data"] == {"topics": ["drift"], "streams": ["b"]}
        await log.write("drift", ("a", drift("a", 1)), ("b", drift("b", 2)))
        assert (await _next(socket))["data"]["stream"] == "b"


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("{", "not valid JSON"),
        ("[1]", "A message is a JSON object"),
        ('{"type": "subscribe", "topics": ["weather"]}', "there are clusters, drift, outliers"),
        ('{"type": "subscribe", "topics": 5}', "a string or a list of strings"),
        ('{"type": "point", "data": [1]}', "one of auth, ping, pong, subscribe, unsubscribe"),
    ],
)
async def test_what_is_not_understood_is_answered_in_the_documented_shape(
    said: str, told: str, kafka_bootstrap: str
) -> None:
    async with serving(Log(kafka_bootstrap).live()) as served, connect(served.socket("/ws/events")) as socket:
        await _next(socket)
        await socket.send(said)
        answer = await _next(socket)
        assert (answer["type"], answer["error"]["code"]) == ("error", "VALIDATION_ERROR")
        assert {"message", "details"} <= answer["error"].keys()
        assert told in json.dumps(answer)
        await _say(socket, {"type": "ping", "data": 7})
        assert (await _next(socket))["data"] == 7


async def test_a_message_too_deep_to_be_sent_back_is_told_so_and_the_socket_goes_on(kafka_bootstrap: str) -> None:
    """Somewhere below the depth that can just be read lie depths that cannot be written any more."""
    async with serving(Log(kafka_bootstrap).live()) as served, connect(served.socket("/ws/events")) as socket:
        await _next(socket)
        kinds = set()
        for depth in range(850, 1050):
            await socket.send('{"type": "ping", "data": ' + "[" * depth + "]" * depth + "}")
            text = str(await asyncio.wait_for(socket.recv(), 20))
            kinds.add("pong" if '"pong"' in text else json.loads(text)["error"]["details"])
        assert kinds == {"pong", "The message is nested too deeply"}


async def test_a_stranger_is_told_why_and_sent_away(kafka_bootstrap: str) -> None:
    async with serving(Log(kafka_bootstrap).live()) as served:
        address = f"ws://127.0.0.1:{served.port}/ws/events"
        async with connect(address) as socket:
            await _say(socket, {"type": "ping"})  # it may still say who it is
            assert (await _next(socket))["error"]["code"] == "AUTHENTICATION_ERROR"
            assert await _closed(socket) == 1008
        assert await _refused(address, {"X-API-Key": WRITER}) == (403, "AUTHORIZATION_ERROR")


async def test_what_cannot_be_asked_is_refused_with_the_handshake(kafka_bootstrap: str) -> None:
    async with serving(Log(kafka_bootstrap).live()) as served:
        for query in ({"topics": "weather"}, {"policy": "whatever"}, {"stream": "s" * 257}):
            assert await _refused(served.socket("/ws/events", **query)) == (422, "VALIDATION_ERROR")


async def test_a_cursor_that_is_none_is_told_as_a_gap_and_what_follows_is_news(kafka_bootstrap: str) -> None:
    log = Log(kafka_bootstrap)
    async with serving(log.live()) as served, connect(served.socket("/ws/events", cursor="junk")) as socket:
        connected, gap = await _next(socket), await _next(socket)
        assert connected["data"]["resumed"] is False
        assert (gap["type"], gap["data"]["reason"], gap["data"]["missing"]) == ("gap", "cursor_refused", None)
        await log.write("drift", ("s", drift("s", 2)))
        assert (await _next(socket))["type"] == "drift_detection"


async def test_a_page_of_another_origin_is_refused_and_one_of_ours_is_not(kafka_bootstrap: str) -> None:
    live = Log(kafka_bootstrap).live(origins=("https://console.example",))
    async with serving(live) as served:
        address = served.socket("/ws/events")
        for origin in (None, f"http://127.0.0.1:{served.port}", "https://console.example"):
            async with connect(address, origin=origin) as socket:  # type: ignore[arg-type]
                assert (await _next(socket))["type"] == "connected"
        for origin in ("https://evil.example", "null", "https://console.example.evil.example"):
            with pytest.raises(InvalidStatus, match="403"):
                await connect(address, origin=origin)  # type: ignore[arg-type]


async def test_a_message_too_large_closes_with_1009(kafka_bootstrap: str) -> None:
    live = Log(kafka_bootstrap).live(max_message_bytes=1024)
    async with serving(live) as served, connect(served.socket("/ws/events")) as socket:
        await _next(socket)
        await socket.send("x" * 1025)
        assert (await _next(socket))["data"]["reason"] == "message_too_large"
        assert await _closed(socket) == 1009


async def test_one_too_many_is_told_to_come_again(kafka_bootstrap: str) -> None:
    async with serving(Log(kafka_bootstrap).live(max_subscribers=1)) as served:
        address = served.socket("/ws/events")
        async with connect(address) as socket:
            await _next(socket)
            assert await _refused(address) == (503, "RESOURCE_ERROR")


async def test_who_neither_listens_nor_speaks_is_sent_away(kafka_bootstrap: str) -> None:
    async with serving(Log(kafka_bootstrap).live(idle=0.2)) as served, connect(served.socket("/ws/events")) as socket:
        await _next(socket)
        await _say(socket, {"type": "unsubscribe"})
        told = [await _next(socket), await _next(socket)]
        assert [each["type"] for each in told] == ["subscribed", "bye"]
        assert await _closed(socket) == 1000


def test_a_pace_lets_a_reserve_through_at_once_and_then_its_rate() -> None:
    pace = Pace(rate=100, now=0.0)
    assert [pace.wait(0.0) for _ in range(100)] == [0.0] * 100
    assert pace.wait(0.0) == pytest.approx(0.01)
    assert pace.wait(0.0) == pytest.approx(0.02)
    assert pace.wait(10.0) == 0.0


async def test_a_client_faster_than_the_limit_loses_nothing(kafka_bootstrap: str) -> None:
    live = Log(kafka_bootstrap).live(messages_per_second=100)
    async with serving(live) as served, connect(served.socket("/ws/events")) as socket:
        await _next(socket)
        for number in range(200):
            await _say(socket, {"type": "ping", "data": number})
        assert [(await _next(socket))["data"] for _ in range(200)] == list(range(200))


async def test_a_street_answers_its_messages_over_the_same_connection(kafka_bootstrap: str) -> None:
    async def on_message(connection: Connection, message: dict[str, Any]) -> None:
        if message["type"] == "refused":
            raise Invalid([FieldError("data", "not like this")])
        if message["type"] == "broken":
            raise RuntimeError("a defect of the street")
        await connection.send({"type": "echo", "data": message["data"]})

    street = APIRouter()

    @street.websocket("/ws/street")
    async def endpoint(websocket: WebSocket) -> None:
        principal = await welcome(websocket, "clustering:read")
        if principal is not None:
            await serve(websocket, principal, on_message, frozenset())

    async with serving(Log(kafka_bootstrap).live(), street) as served, connect(served.socket("/ws/street")) as socket:
        await _next(socket)
        for number in range(50):
            await _say(socket, {"type": "say", "data": number})
        assert [(await _next(socket))["data"] for _ in range(50)] == list(range(50))
        await _say(socket, {"type": "refused"})
        assert (await _next(socket))["error"]["fields"] == [{"field": "data", "message": "not like this"}]
        await _say(socket, {"type": "broken"})
        assert (await _next(socket))["data"]["reason"] == "internal_error"
        assert await _closed(socket) == 1011


async def _next(socket: ClientConnection) -> dict[str, Any]:
    async with asyncio.timeout(30):
        message: dict[str, Any] = json.loads(await socket.recv())
        return message


async def _say(socket: ClientConnection, message: dict[str, Any]) -> None:
    await socket.send(json.dumps(message))


async def _refused(address: str, headers: dict[str, str] | None = None) -> tuple[int, str]:
    """The status and the code with which a handshake is answered."""
    with pytest.raises(InvalidStatus) as refused:
        await connect(address, additional_headers=headers)
    answer = refused.value.response
    return answer.status_code, json.loads(answer.body)["error"]["code"]


async def _closed(socket: ClientConnection) -> int:
    with pytest.raises(ConnectionClosed):
        await _next(socket)
    assert socket.close_code is not None
    return socket.close_code
