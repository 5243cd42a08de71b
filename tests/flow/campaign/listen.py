"""Subscribers of the live bridge that come back with their last id, to whichever replica is there."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx

from tests.ingest_api.live.serving import Heard, parsed

STAY_SECONDS = (3.0, 9.0)
"""A subscriber leaves by itself after so long, as browsers do when their network changes."""
PAUSE_SECONDS = 0.3
FACTS = ("drift_detection", "outliers_detected")

Fact = tuple[str, str, int]
"""(type, position of the input, number of the point for a drift, else 0)."""


@dataclass
class Listener:
    """One subscriber. `facts` counts what it heard, `statuses` the last position heard by stream."""

    urls: Sequence[str]
    key: str
    query: Mapping[str, str]
    seed: int
    facts: dict[Fact, int] = field(default_factory=dict)
    statuses: dict[str, str] = field(default_factory=dict)
    gaps: list[dict[str, Any]] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    connections: int = 0
    connected: asyncio.Event = field(default_factory=asyncio.Event)
    last: str | None = None

    async def run(self) -> None:
        """Until cancelled."""
        chance = random.Random(self.seed)
        async with httpx.AsyncClient(headers={"X-API-Key": self.key}, timeout=httpx.Timeout(5, read=25)) as http:
            turn = chance.randrange(len(self.urls))
            while True:
                turn += 1
                try:
                    async with asyncio.timeout(chance.uniform(*STAY_SECONDS)):
                        await self._listen(http, self.urls[turn % len(self.urls)])
                except (httpx.HTTPError, TimeoutError):
                    pass
                await asyncio.sleep(PAUSE_SECONDS)

    async def _listen(self, http: httpx.AsyncClient, url: str) -> None:
        headers = {"Last-Event-ID": self.last} if self.last else {}
        async with http.stream("GET", f"{url}/api/v1/events", params=dict(self.query), headers=headers) as response:
            if response.status_code == httpx.codes.SERVICE_UNAVAILABLE:
                return
            if response.status_code != httpx.codes.OK:
                await response.aread()
                self.wrong.append(f"subscriber {self.seed} was answered {response.status_code}: {response.text[:200]}")
                return
            self.connections += 1
            async for event in parsed(response.aiter_lines()):
                self._hear(event)

    def _hear(self, event: Heard) -> None:
        if event.id is not None:
            self.last = event.id
            self.connected.set()
        if event.type in FACTS:
            fact = (event.type, event.data["position"], event.data.get("at_point", 0))
            self.facts[fact] = self.facts.get(fact, 0) + 1
        elif event.type == "algorithm_status":
            self.statuses[event.data["stream"]] = event.data["position"]
        elif event.type == "gap":
            self.gaps.append(event.data)
