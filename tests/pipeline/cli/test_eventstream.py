"""Event streams as the standard has them, over connections that break."""

from __future__ import annotations

import asyncio

import httpx
import pytest
from httpx_sse import ServerSentEvent

from pipeline.cli.eventstream import MAX_ATTEMPTS, follow
from pipeline.errors import Unavailable


def stream(text: str) -> httpx.Response:
    return httpx.Response(200, text=text, headers={"Content-Type": "text/event-stream; charset=utf-8"})


async def followed(text: str, wanted: int) -> list[ServerSentEvent]:
    """The first events of a server that answers every request with this text."""
    transport = httpx.MockTransport(lambda _: stream(f"retry: 1\n{text}"))
    async with httpx.AsyncClient(transport=transport, base_url="http://api") as client, asyncio.timeout(10):
        events = follow(client, "/events", {})
        return [await anext(events) for _ in range(wanted)]


async def test_comments_unknown_fields_and_events_without_data_are_nothing() -> None:
    [event] = await followed(": ping\n\nevent: x\n\nfoo: bar\ndata:tight\n\ndata: unfinished", 1)
    assert (event.event, event.data) == ("message", "tight")


async def test_data_goes_on_over_lines_and_over_what_only_looks_like_one() -> None:
    """A line ends with CR, LF or both, not with the other separators of Unicode, which JSON need not escape."""
    [event] = await followed("event: drift\r\nid: 7\ndata: a\u2028\x0bb\ndata: c\n\n", 1)
    assert (event.event, event.id, event.data) == ("drift", "7", "a\u2028\x0bb\nc")


async def test_a_pause_that_is_no_time_is_not_kept() -> None:
    assert len(await followed("retry: -1\ndata: a\n\n", 2)) == 2


async def test_a_lost_connection_goes_on_behind_the_last_event() -> None:
    asked: list[str | None] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request.headers.get("Last-Event-ID"))
        number = len(asked)
        return stream(f"retry: 1\nid: {number}\ndata: {number}\n\ndata: cut off")

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
