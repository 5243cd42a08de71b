"""A request whose answer comes through the log: what was sent, where it lies, what was replied."""

from __future__ import annotations

import asyncio
import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from schemas.exchange import Replied
from schemas.position import Position

_REQUEST_ID = re.compile(r"req_[0-9a-f]{24}(?:-([1-9]\d{0,5}))?")


def new_request_id(parts: int) -> str:
    """Unguessable, so that nobody learns of another's request by trying. Its end tells of how many records the
    request is made: whoever finds some of them in the warehouse knows whether these are all."""
    token = f"req_{secrets.token_hex(12)}"
    return token if parts == 1 else f"{token}-{parts}"


def parts_of(request_id: str) -> int | None:
    """Of how many records the request is made; None for what `new_request_id` never gave."""
    match = _REQUEST_ID.fullmatch(request_id)
    return None if match is None else int(match[1] or 1)


@dataclass(slots=True, eq=False)
class Inquiry:
    """One request. `replies` has one place a record; `sent` holds the futures of their positions.

    `context` is the street's own, for making the answer later. `weight` is about how many bytes all of it holds.
    The futures are never cancelled by one who waits for them.
    """

    request_id: str
    principal: str
    asked_at: int
    context: object
    weight: int
    replies: list[Replied | None]
    sent: Sequence[asyncio.Future[Position]] = ()
    answered: asyncio.Future[None] = field(default_factory=lambda: asyncio.get_running_loop().create_future())

    @property
    def positions(self) -> list[Position]:
        """Where the records lie, as far as the broker has confirmed them or a worker has answered."""
        confirmed = [_result(future) for future in self.sent] or [None] * len(self.replies)
        told = (reply.position if reply else place for reply, place in zip(self.replies, confirmed, strict=True))
        return [position for position in told if position is not None]

    @property
    def refusal(self) -> Replied | None:
        """The first reply that is a refusal."""
        return next((reply for reply in self.replies if reply is not None and reply.reason is not None), None)

    @property
    def unconfirmed(self) -> bool:
        """Whether the broker did not confirm a record, nor a worker show that it is in the log all the same."""
        pairs = zip(self.sent, self.replies, strict=True)
        return any(reply is None and future.done() and _result(future) is None for future, reply in pairs)

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
            if self.answered not in done:
                for future in done:
                    future.result()
        return [reply for reply in self.replies if reply is not None]

    def take(self, reply: Replied) -> None:
        """A reply to one part; a repeated one changes nothing."""
        if 0 <= reply.part < len(self.replies) and self.replies[reply.part] is None:
            self.replies[reply.part] = reply
            if None not in self.replies and not self.answered.done():
                self.answered.set_result(None)


def _result(future: asyncio.Future[Position]) -> Position | None:
    if not future.done() or future.cancelled() or future.exception() is not None:
        return None
    return future.result()
