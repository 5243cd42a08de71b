"""The courier of webhooks: waits until it is its turn, works while it is."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from pipeline.courier.leadership import Leadership
from pipeline.courier.settings import CourierSettings
from pipeline.courier.term import Term
from pipeline.settings import KafkaSettings
from schemas.topic import Topic

log = logging.getLogger(__name__)


class Courier:
    """`term` makes what a turn consists of: whatever was known in an earlier one may be out of date."""

    def __init__(
        self, kafka: KafkaSettings, settings: CourierSettings, deliveries: Topic, term: Callable[[], Term]
    ) -> None:
        self._kafka, self._settings, self._deliveries, self._term = kafka, settings, deliveries, term
        self._leadership: Leadership | None = None

    @property
    def joined(self) -> bool:
        """Whether the group has this process among its members: it works, or stands by."""
        return self._leadership is not None and self._leadership.joined.is_set()

    async def run(self) -> None:
        """Until it is cancelled. Raises Failure."""
        leadership = self._leadership = Leadership(self._kafka, self._settings, self._deliveries)
        leadership.start()
        try:
            while True:
                await first(leadership.gained.wait(), asyncio.shield(leadership.ended))
                log.info("webhooks are sent from here")
                await first(self._term().run(), leadership.lost.wait(), asyncio.shield(leadership.ended))
                log.info("webhooks are sent from elsewhere")
        finally:
            await leadership.stop()


async def first(*awaited: Awaitable[object]) -> None:
    """Returns when one is done, having ended the others. Raises what the one raised."""
    tasks = [asyncio.ensure_future(it) for it in awaited]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    for task in done:
        task.result()
