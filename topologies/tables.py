"""Faust's tables as a worker has them: all known before it starts, their changes never mixed up."""

from __future__ import annotations

from typing import Any

from faust.tables.manager import TableManager

NEVER_FULL = 10_000_000


class Tables(TableManager):
    """`changelog_queue` has room for whatever comes: an event that waited for some, over a rebalance, would come before
    those that are read again, and these would pass for old. The consumer sees to it that little waits in it
    (`fetching.MOST_WAITING`)."""

    @property
    def changelog_queue(self) -> Any:
        if self._changelog_queue is None:
            self._changelog_queue = self.app.FlowControlQueue(NEVER_FULL, clear_on_resume=True)
        return self._changelog_queue

    async def on_start(self) -> None:
        """Without the second in which stock Faust waits for tables that modules imported later may add."""
        if not self.should_stop:
            await self._update_channels()
            await self.recovery.start()
