"""A coroutine that runs for ever runs while a block does, and fails the test when it ends before."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Coroutine
from typing import Any


@contextlib.asynccontextmanager
async def while_running(endless: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    task = asyncio.create_task(endless)
    try:
        yield
        assert not task.done()
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
