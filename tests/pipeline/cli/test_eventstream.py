"""Event streams as the standard has them, over connections that break."""

from __future__ import annotations

import asyncio

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.cli.eventstream import MAX_ATTEMPTS, Parser, ServerEvent, follow
from pipeline.errors import Unavailable


def parsed(text: str) -> list[ServerEvent]:
    parser = Parser()
    return [event for line in text.split("\n") if (event := parser.take(line)) is not None]


def test_an_event_ends_with_an_empty_line() -> None:
    assert parsed("event: drift\nid: 7\ndata: a\ndata: b\n\ndata: unfinished") == [ServerEvent("drift", "a\nb")]


def test_comments_unknown_fields_and_events_without_data_are_nothing() -> None:
    assert parsed(": ping\n\nevent: x\n\nfoo: bar\ndata:tight\n\n") == [ServerEvent("message", "tight")]


@given(st.text())
def test_any_text_parses(text: str) -> None:
    parsed(text)


async def test_a_lost_connection_goes_on_behind_the_last_event() -> None:
    asked: list[str | None] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request.headers.get("Last-Event-ID"))
        number = len(asked)
        return httpx.Response(200, text=f"retry: 1\nid: {number}\ndata: {number}\n\ndata: cut off")

    async with httpx.AsyncClient(transport=httpx.MockTransport(answer), base_url="http://api") as client:
        told = []
        async with asyncio.timeout(10):
            async for event in follow(client, "/events", {}):
                told.append(event.data)
                if len(told) == 3:
                    break
    assert (told, asked) == (["1", "2", "3"], [None, "1", "2"])


async def test_a_stream_that_is_refused_or_lost_again_and_again_is_given_up() -> None:
    asked: list[int] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(1)
        return httpx.Response(503 if request.url.path == "/busy" else 403)

    async with httpx.AsyncClient(transport=httpx.MockTransport(answer), base_url="http://api") as client:
        with pytest.raises(Unavailable, match="403"):
            await anext(aiter(follow(client, "/closed", {})))
        asked.clear()
        with pytest.raises(Unavailable, match=f"lost {MAX_ATTEMPTS} times"):
            await anext(aiter(follow(client, "/busy", {}, pause_ms=1)))
    assert len(asked) == MAX_ATTEMPTS
