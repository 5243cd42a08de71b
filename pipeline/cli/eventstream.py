"""Reading an event stream (WHATWG HTML, 9.2.6): lines to events, and going on where a lost connection was."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass

import httpx

from pipeline.errors import Unavailable

SILENCE_SECONDS = 60.0
"""Heartbeats come every 15 s: longer silence is a dead connection."""
MAX_ATTEMPTS = 5
RETRY_MS = 2000


@dataclass(frozen=True, slots=True)
class ServerEvent:
    type: str
    data: str


class Parser:
    """Takes lines without their ends. `last_id` and `retry_ms` are what the stream has said so far."""

    def __init__(self, retry_ms: int = RETRY_MS) -> None:
        self.last_id = ""
        self.retry_ms = retry_ms
        self._type = ""
        self._data: list[str] = []

    def take(self, line: str) -> ServerEvent | None:
        """The event that this line completes."""
        if not line:
            event = ServerEvent(self._type or "message", "\n".join(self._data)) if self._data else None
            self._type, self._data = "", []
            return event
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if name == "data":
            self._data.append(value)
        elif name == "event":
            self._type = value
        elif name == "id" and "\0" not in value:
            self.last_id = value
        elif name == "retry" and value.isascii() and value.isdigit():
            self.retry_ms = min(int(value), 60_000)
        return None

    def cut(self) -> None:
        """The connection ended: an event that was not complete is none."""
        self._type, self._data = "", []


async def follow(
    client: httpx.AsyncClient, path: str, parameters: Mapping[str, str], pause_ms: int = RETRY_MS
) -> AsyncIterator[ServerEvent]:
    """Events for ever, over as many connections as it takes, with a pause between two: `pause_ms` until the server
    says another. Raises Unavailable when several in a row fail, or when the server says that it will not."""
    parser = Parser(pause_ms)
    failures = 0
    while True:
        headers = {"Accept": "text/event-stream"} | ({"Last-Event-ID": parser.last_id} if parser.last_id else {})
        timeout = httpx.Timeout(10, read=SILENCE_SECONDS)
        try:
            async with client.stream("GET", path, params=dict(parameters), headers=headers, timeout=timeout) as answer:
                if answer.status_code not in (200, 429, 502, 503):
                    raise Unavailable(f"{path} answered {answer.status_code}")
                answer.raise_for_status()
                async for line in answer.aiter_lines():
                    event = parser.take(line)
                    if event is not None:
                        failures = 0
                        yield event
        except httpx.HTTPError as error:
            failures += 1
            if failures >= MAX_ATTEMPTS:
                raise Unavailable(f"the event stream was lost {failures} times in a row: {error!r}") from error
        parser.cut()
        await asyncio.sleep(parser.retry_ms / 1000)
