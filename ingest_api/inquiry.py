"""A request whose answer comes through the log: what was sent, where it lies, what was replied."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from schemas.exchange import Replied
from schemas.position import Position


@dataclass(slots=True)
class Inquiry:
    """One request of `parts` records. `context` is the street's own, for making the answer later.

    `weight` is about how many bytes it holds. The futures are never cancelled by one who waits for them.
    """

    request_id: str
    principal: str
    asked_at: int
    context: Any
    weight: int
    sent: Sequence[asyncio.Future[Position]] = ()
    replies: list[Replied | None] = field(default_factory=list)
    answered: asyncio.Future[None] = field(default_factory=lambda: asyncio.get_running_loop().create_future())

    @property
    def parts(self) -> int:
        return len(self.replies)

    @property
    def positions(self) -> list[Position]:
        """Where the records lie, as far as the broker has confirmed them."""
        known = []
        for future, reply in zip(self.sent, self.replies, strict=True):
            if reply is not None:
                known.append(reply.position)
            elif future.done() and not future.cancelled() and future.exception() is None:
                known.append(future.result())
        return known

    @property
    def refusal(self) -> Replied | None:
        """The first reply that is a refusal."""
        return next((reply for reply in self.replies if reply is not None and reply.reason is not None), None)

    async def accepted(self) -> list[Position]:
        """Waits until every record is durable. Raises LogUnavailable."""
        return list(await asyncio.gather(*(asyncio.shield(future) for future in self.sent)))

    async def complete(self, seconds: float) -> list[Replied]:
        """Waits for every reply. Raises TimeoutError, or LogUnavailable when a record was not taken by the log."""
        waits: set[asyncio.Future[Any]] = {self.answered, *self.sent}
        deadline = asyncio.get_running_loop().time() + seconds
        while not self.answered.done():
            left = deadline - asyncio.get_running_loop().time()
            done, waits = await asyncio.wait(waits, timeout=max(0.0, left), return_when=asyncio.FIRST_COMPLETED)
            if not done:
                raise TimeoutError
            for future in done - {self.answered}:
                future.result()
        return [reply for reply in self.replies if reply is not None]

    def take(self, reply: Replied) -> None:
        """A reply to one part; a repeated one changes nothing."""
        if 0 <= reply.part < self.parts and self.replies[reply.part] is None:
            self.replies[reply.part] = reply
            if None not in self.replies and not self.answered.done():
                self.answered.set_result(None)
