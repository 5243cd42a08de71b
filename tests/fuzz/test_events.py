"""Streams that never end: any address and cursor is a stream that begins, or a refusal as described."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence

import httpx
import pytest
import websockets
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.budget import PATIENCE, examples
from tests.flow.stack import Stack
from tests.fuzz.test_openapi import check
from tests.inside import INSIDE

pytestmark = [pytest.mark.flow, pytest.mark.timeout(PATIENCE)]

TEXT = st.text(max_size=20) | st.sampled_from(["", "a" * 300, "default", "\x00", "é", "%", "\n"])
PARAMETERS = st.lists(
    st.tuples(
        st.sampled_from(["topics"]), st.sampled_from(["clusters", "drift", "outliers", "clusters,drift", ","]) | TEXT
    )
    | st.tuples(st.just("stream"), TEXT)
    | st.tuples(st.just("policy"), st.sampled_from(["conflate", "drop_oldest", "disconnect"]) | TEXT)
    | st.tuples(st.just("snapshot"), st.sampled_from(["true", "false", "1"]) | TEXT)
    | st.tuples(st.sampled_from(["cursor", "last_event_id"]), TEXT | st.text("ABab01-_=", max_size=80))
    | st.tuples(TEXT, TEXT),
    max_size=5,
)
HEADERS = st.dictionaries(
    st.sampled_from(["Last-Event-ID", "Accept", "Origin", "Cache-Control"]),
    st.binary(max_size=40).filter(lambda raw: not set(raw) & {*range(32), 127} and raw == raw.strip()),
    max_size=2,
)
QUIET = settings(max_examples=examples(40), suppress_health_check=list(HealthCheck))


@QUIET
@given(parameters=PARAMETERS, headers=HEADERS)
def test_any_address_is_an_event_stream_or_a_refusal(
    stack: Stack, http: httpx.Client, parameters: Sequence[tuple[str, str]], headers: dict[str, bytes]
) -> None:
    sent = {b"X-API-Key": stack.keys["writer"].encode()} | {name.encode(): value for name, value in headers.items()}
    with http.stream("GET", "/api/v1/events", params=list(parameters), headers=sent) as answer:
        if answer.status_code == 200:
            assert answer.headers["Content-Type"].startswith("text/event-stream")
            lines = answer.iter_lines()
            named = dict(line.split(": ", 1) for line in iter(lambda: next(lines), ""))
            assert json.loads(named["data"])["type"] == "connected"
        else:
            answer.read()
            assert answer.status_code == 422, answer.text
            check("/api/v1/events", answer)


@QUIET
@given(parameters=PARAMETERS)
def test_any_address_is_a_socket_or_a_refusal(stack: Stack, parameters: Sequence[tuple[str, str]]) -> None:
    asyncio.run(_greeted(stack, httpx.QueryParams(list(parameters))))


async def _greeted(stack: Stack, parameters: httpx.QueryParams) -> None:
    base = stack.api.url.replace("http", "ws")
    for path in ("/ws/events", "/ws/stream"):
        headers = {"X-API-Key": stack.keys["writer"]}
        try:
            async with websockets.connect(f"{base}{path}?{parameters}", additional_headers=headers) as socket:
                first = json.loads(await asyncio.wait_for(socket.recv(), 30))
                assert first["type"] == "connected"
        except websockets.InvalidStatus as refused:
            answer = refused.response
            assert answer.status_code == 422
            assert json.loads(answer.body)["error"]["code"] == "VALIDATION_ERROR"
            assert INSIDE.search(answer.body.decode()) is None


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
FIELDS = st.sampled_from(
    [
        "data",
        "stream",
        "streams",
        "topics",
        "point_id",
        "batch_id",
        "metadata",
        "clustering_config",
        "idempotency_key",
        "x",
    ]
)
MESSAGES = st.fixed_dictionaries(
    {"type": st.sampled_from(["point", "batch", "status_request", "subscribe", "unsubscribe", "ping", "pong"]) | JSON}
).flatmap(lambda kind: st.dictionaries(FIELDS, JSON, max_size=4).map(lambda fields: kind | fields))


@settings(max_examples=examples(15), suppress_health_check=list(HealthCheck))
@given(
    said=st.lists(
        MESSAGES.map(json.dumps) | JSON.map(json.dumps) | st.text(max_size=30) | st.binary(max_size=30), max_size=20
    )
)
def test_a_socket_outlives_whatever_is_said_on_it(stack: Stack, said: Sequence[str | bytes]) -> None:
    asyncio.run(_said(stack, said))


async def _said(stack: Stack, said: Sequence[str | bytes]) -> None:
    async with stack.socket(stack.stream()) as socket:
        for message in said:
            await socket.connection.send(message)
        await socket.send(type="subscribe", topics="clusters")
        await socket.send(type="batch", data=[[1.0, 2.0]], stream=stack.stream(), batch_id="the last")
        result = await socket.next("result", lambda message: message["data"].get("batch_id") == "the last")
        assert result["data"]["total_points"] == 1
        assert not [each for each in socket.kept if each["type"] == "error" and INSIDE.search(json.dumps(each))]
