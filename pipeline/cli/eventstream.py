"""Following an event stream (WHATWG HTML, 9.2.6) over connections that break."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping

import httpx
from httpx_sse import ServerSentEvent, aconnect_sse

from pipeline.errors import Unavailable

SILENCE_SECONDS = 60.0
"""Heartbeats come every 15 s: longer silence is a dead connection."""
MAX_ATTEMPTS = 5
RETRY_MS = 2000
LONGEST_RETRY_MS = 60_000


async def follow(
    client: httpx.AsyncClient, path: str, parameters: Mapping[str, str], pause_ms: int = RETRY_MS
) -> AsyncIterator[ServerSentEvent]:
    """Events that have data, for ever, over as many connections as it takes, with a pause between two: `pause_ms` until
    the server sends `retry`. Each connection resumes after the last event. Raises Unavailable when several in a row
    fail, or when the server refuses."""
    last_id, failures = "", 0
    timeout = httpx.Timeout(10, read=SILENCE_SECONDS)
    while True:
        headers = {"Last-Event-ID": last_id} if last_id else {}
        try:
            async with aconnect_sse(
                client, "GET", path, params=dict(parameters), headers=headers, timeout=timeout
            ) as source:
                if source.response.status_code not in (200, 429, 502, 503):
                    raise Unavailable(f"{path} answered {source.response.status_code}")
                source.response.raise_for_status()
                async for event in source.aiter_sse():
                    last_id = event.id or last_id
                    if event.retry is not None and event.retry >= 0:
                        pause_ms = min(event.retry, LONGEST_RETRY_MS)
                    if event.data:
                        failures = 0
                        yield event
        except httpx.HTTPError as error:
            failures += 1
            if failures >= MAX_ATTEMPTS:
                raise Unavailable(f"the event stream was lost {failures} times in a row: {error!r}") from error
        await asyncio.sleep(pause_ms / 1000)
