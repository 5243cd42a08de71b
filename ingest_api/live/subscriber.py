"""One who listens: what waits for it, and what it must be told of itself."""

from __future__ import annotations

import asyncio
import secrets
from collections import deque
from dataclasses import dataclass

from ingest_api.live.backlog import Backlog, Bounds, Policy, backlog_for
from ingest_api.live.framing import Wire
from ingest_api.live.message import Frame, Outgoing
from ingest_api.live.run import Run
from ingest_api.live.subscription import Interests
from ingest_api.outlet import Outlet
from schemas.grants import Party


@dataclass(frozen=True, slots=True)
class Ending:
    """Why a subscriber is sent away. `code` closes a WebSocket (RFC 6455, 7.4.1)."""

    reason: str
    code: int


SHUTDOWN = Ending("shutdown", 1001)
SLOW = Ending("slow_reader", 1008)
GONE = Ending("client_left", 1000)
IDLE = Ending("idle", 1000)
TOO_LARGE = Ending("message_too_large", 1009)
FAILED = Ending("internal_error", 1011)
CREDENTIAL = Ending("credential_no_longer_valid", 1008)
BUSY = Ending("over_capacity", 1013)
LOG_UNAVAILABLE = Ending("log_unavailable", 1013)


class Subscriber:
    """`wait` returns when there is anything to do: messages, a heartbeat, an ending, or a nudge from its transport.

    While it waits, what is published goes straight to its connection's outlet, where it has one and its client keeps
    up; the backlog takes the rest.
    """

    def __init__(self, owner: str, interests: Interests, policy: Policy, bounds: Bounds, party: Party) -> None:
        self.id = secrets.token_hex(8)
        self.owner, self.interests, self.policy, self.party = owner, interests, policy, party
        self.backlog: Backlog = backlog_for(policy, bounds)
        self.ending: Ending | None = None
        self.beat = self.listening = False
        self.heard = 0.0
        """When it was last sent anything, in the loop's time."""
        self.told = 0
        """How far the feed had come, in records, when it was last told where it stands."""
        self.notices: deque[Outgoing] = deque(maxlen=100)
        """What it is told besides messages, before them."""
        self._outlet: Outlet | None = None
        self._wire = Wire.CHUNK
        self._idle = False
        self._woken = asyncio.Event()

    def attach(self, outlet: Outlet | None, wire: Wire) -> None:
        """Where it can be told without being woken."""
        self._outlet, self._wire = outlet, wire

    def tell(self, run: Run, now: float) -> None:
        """Writes what can be written at once, and queues the rest, if any. `now` in the loop's time."""
        written = 0
        if self._idle and self._outlet is not None:
            for piece, end in run.pieces(self._wire):
                if not self._outlet.put(piece):
                    break
                written = end
                self.heard = now
        if written < len(run.frames):
            for frame in run.frames[written:]:
                self.offer(frame)
            self.wake()

    def offer(self, frame: Frame) -> None:
        self.backlog.offer(frame)
        if self.backlog.overrun and self.ending is None:
            self.ending = SLOW

    def end(self, ending: Ending) -> None:
        """The first reason holds."""
        if self.ending is None:
            self.ending = ending
        self.wake()

    def wake(self) -> None:
        self._idle = False
        self._woken.set()

    async def wait(self) -> None:
        try:
            if not (len(self.backlog) or self.notices or self.ending or self.beat or self._woken.is_set()):
                self._idle = True
                await self._woken.wait()
        finally:
            self._idle = False
        self._woken.clear()
