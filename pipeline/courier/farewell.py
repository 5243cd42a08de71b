"""What is under way when the courier is told to stop: given a moment to end, so that it need not be done again."""

from __future__ import annotations

import asyncio
from collections.abc import Collection

FAREWELL_S = 1.5
"""With all that is closed then it stays below what a supervisor gives us to end."""


async def farewell(tasks: Collection[asyncio.Task[None]]) -> None:
    """Returns when all are done; what is not by itself within FAREWELL_S is cancelled. Raises nothing of theirs."""
    left = set(tasks)
    if left:
        _, left = await asyncio.wait(left, timeout=FAREWELL_S)
    while left:
        # More than once: before Python 3.12 asyncio.wait_for, on which aiosmtplib stands, may pass over a cancellation
        # that comes together with a server's answer.
        for task in left:
            task.cancel()
        _, left = await asyncio.wait(left, timeout=0.1)
    await asyncio.gather(*tasks, return_exceptions=True)
