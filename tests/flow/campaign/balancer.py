"""A load balancer in front of the API processes: it asks each, several times a second, whether it is well."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager

import httpx

EVERY_SECONDS = 0.25
ASK_SECONDS = 10.0
ASKED = {"/live": {200}, "/ready": {200, 503}, "/health": {200, 503}}
"""The paths, and what they may answer while anything is killed. A connection that breaks says that the process did."""


class Balancer:
    """`answers` counts what was said, by path and status; 0 stands for no answer."""

    def __init__(self, urls: Sequence[str]) -> None:
        self._urls = urls
        self.answers: Counter[tuple[str, int]] = Counter()

    @asynccontextmanager
    async def asking(self) -> AsyncIterator[None]:
        """Asks while inside."""
        async with httpx.AsyncClient(timeout=ASK_SECONDS) as http:
            tasks = [asyncio.create_task(self._ask(http, url + path, path)) for url in self._urls for path in ASKED]
            try:
                yield
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)

    async def _ask(self, http: httpx.AsyncClient, url: str, path: str) -> None:
        while True:
            try:
                status = (await http.get(url)).status_code
            except httpx.HTTPError:
                status = 0
            self.answers[path, status] += 1
            await asyncio.sleep(EVERY_SECONDS)

    def violations(self) -> Iterator[str]:
        for (path, status), times in sorted(self.answers.items()):
            if status and status not in ASKED[path]:
                yield f"{path} answered {status}, {times} times"
        for path in ASKED:
            if not self.answers[path, 200]:
                yield f"{path} never answered 200"
